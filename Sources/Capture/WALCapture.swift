import LTX
import SQLiteFormat

// How a commit is seen in the writes to a WAL.
//
// SQLite writes a frame as two writes, header (24 bytes) and page. Each frame header holds the salts of the log's header
// and a checksum that continues that of the frame before. A transaction is complete when this chain is valid from the
// last committed frame through a frame whose commit size is not zero.
//
//     header | frame 1 | frame 2 | ... | frame c | frame c+1 | ... | frame n
//            '------- committed, captured -------' '----- pending: valid -----'  -> next frame to check
//
// A write inside `pending` cuts it there: SQLite writes frames again when a transaction that spilled changes a page once
// more (it then rewrites the checksums of all later headers before it commits), or when the one before rolled back.
//
// While checksums must be rewritten, SQLite leaves salts and checksums of new frames zero, "unsealed", until it rewrites
// the headers. Up to at least 3.40 it also does so after a savepoint was rolled back behind such a page, when there is
// nothing to rewrite. Then it commits, and publishes, a transaction that begins with unsealed frames, or has no others;
// only a recovery would not find it. So unsealed frames count if they are written in order behind valid ones: all
// content is there when the last page is, and what follows, if anything, are headers. Behind a transaction that stays
// unsealed, SQLite continues some checksum of frames that are rolled back; the next frame is believed in the same way.
//
// A write inside `committed` means that SQLite does not know a commit that was captured: the writing program died, or
// failed to sync, after the frame that commits was written and before it was published in the wal-index. Then the
// commits from there on are withdrawn, and their pages are suspect.
//
// On storage without powersafe overwrite, SQLite repeats the last frame of a transaction, commit size and all, up to the
// next sector. Such padding is committed, but no transaction. Whether a frame is padding depends on the log alone, so
// that a log which is captured again gives the same transactions. A transaction whose only frame repeats the one before,
// as one does that a savepoint undid, looks the same: it changes no page, and is none either.

/// Follows the writes to a file of a log and finds the transactions that they complete.
///
/// Not thread-safe; the owner serialises. Reads the file through functions that it is given, never keeps one.
public final class WALCapture {
    /// Fills the buffer from an offset of the file and returns the number of bytes, fewer only at the end of the file.
    public typealias Read = (UnsafeMutableRawBufferPointer, Int64) -> Int

    /// A page of a transaction: its newest version.
    public struct Page: Equatable, Sendable {
        /// The page.
        public var number: PageNumber
        /// The frame that holds it.
        public var frame: FramePlace
        /// Its checksum.
        public var checksum: Checksum
    }

    /// A transaction that SQLite committed.
    public struct Commit: Equatable, Sendable {
        /// Changed pages, ascending, each once, none beyond `pageCount`, never the lock page.
        public var pages: [Page]
        /// Size of the database in pages after the transaction.
        public var pageCount: UInt32
        /// The file of the log in which it was committed.
        public var file = WALFile.wal
        /// First frame of the transaction.
        public var firstFrame: UInt32
        /// The frame that commits.
        public var lastFrame: UInt32
    }

    /// A frame that continues the chain and is not committed yet.
    struct PendingFrame {
        var page: PageNumber
        var checksum: Checksum
        /// The log's running checksum after it; that of the last sealed frame when it is unsealed.
        var chain: WALChecksum
        var isSealed: Bool
        var isChainUnknown: Bool
    }

    /// What a frame would have to repeat to be padding.
    struct CommitFrame: Equatable {
        var page: PageNumber
        var checksum: Checksum
        var pageCount: UInt32
    }

    /// The file of the log that it follows.
    public let file: WALFile
    /// Header of the log; nil while there is none.
    public internal(set) var header: WALHeader?
    /// Page of each committed frame; frame 1 is at index 0.
    public internal(set) var frames: [UInt32] = []

    /// The chain at the last committed frame.
    var committedChain: WALChain?
    /// The last committed frame, as far as it is known.
    var lastCommitFrame: CommitFrame?
    /// Whether the last transaction has unsealed frames, whose headers may be rewritten.
    var isLastCommitUnsealed = false
    /// Whether the last committed frame is unsealed, so that the next one may continue another checksum.
    var isChainUnknown = false
    /// Committed frames before the last transaction.
    var framesBeforeLastCommit = 0
    var pending: [PendingFrame] = []
    /// The frame that was read and does not continue the chain; 0 when there is none.
    ///
    /// It is not read again until it, or something before it, is written.
    var brokenFrame: UInt32 = 0
    /// End of the furthest write since the last commit or restart: what lies beyond it is left over from before.
    var writtenEnd: Int64 = 0
    /// The last frame that the wal-index says is committed; 0 when nobody asked it.
    var published: UInt32 = 0
    /// The last frame header that was written, and its offset.
    let lastHeader = UnsafeMutableRawBufferPointer.allocate(byteCount: WALFrameHeader.size, alignment: 8)
    var lastHeaderOffset: Int64 = -1
    /// Room for one frame, made when it is first needed.
    private var scratch = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// No log.
    public init(of file: WALFile = .wal) {
        self.file = file
    }

    deinit {
        lastHeader.deallocate()
        scratch.deallocate()
    }

    /// Frames captured as committed.
    public var committedFrames: UInt32 { UInt32(frames.count) }

    /// Pages of the frames of the last transaction with its padding, in the order of frames: the only transaction that
    /// SQLite may not know.
    ///
    /// All committed frames when the log was taken over at its end.
    public var lastTransaction: ArraySlice<UInt32> { frames[framesBeforeLastCommit...] }

    /// Size of the log's pages; nil without a header.
    public var pageSize: PageSize? { header?.pageSize }

    /// Bytes of the log that are captured, its header included; 0 without a header.
    public var capturedBytes: Int64 {
        guard let pageSize else { return 0 }
        return Int64(WALHeader.size) + Int64(frames.count) * Int64(WALFrames.frameSize(pageSize))
    }

    // MARK: - Before a write

    /// Whether a write touches the log's header.
    public func touchesHeader(at offset: Int64) -> Bool { offset < Int64(WALHeader.size) }

    /// First committed frame that a write would overwrite, so that commits must be withdrawn; nil when there is none.
    ///
    /// - Parameters:
    ///   - bytes: what is about to be written.
    ///   - offset: where, in bytes.
    ///   - read: reads the log.
    /// - Returns: nil also for a header that seals a frame of the last transaction.
    public func firstCommittedFrame(
        overwrittenBy bytes: UnsafeRawBufferPointer,
        at offset: Int64,
        read: Read
    ) -> UInt32? {
        guard let frame = firstCommittedFrame(touchedAt: offset) else { return nil }
        return isSealing(frame, bytes, at: offset, read) ? nil : frame
    }

    /// Whether a write replaces no more than salts and checksum of a frame of the last transaction.
    private func isSealing(
        _ frame: UInt32,
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64,
        _ read: Read
    ) -> Bool {
        guard isLastCommitUnsealed, Int(frame) > framesBeforeLastCommit, let pageSize,
            bytes.count == WALFrameHeader.size,
            offset == WALFrames.offset(ofFrame: frame, pageSize: pageSize)
        else { return false }
        return withUnsafeTemporaryAllocation(byteCount: 8, alignment: 8) { old in
            read(old, offset) == old.count && old.elementsEqual(bytes.prefix(old.count))
        }
    }

    /// First committed frame that a write at `offset` would touch; nil when it touches none.
    public func firstCommittedFrame(touchedAt offset: Int64) -> UInt32? {
        guard let pageSize, let place = WALFrames.frame(atOffset: offset, pageSize: pageSize) else {
            return nil
        }
        return place.frame <= committedFrames ? place.frame : nil
    }

    // MARK: - Reading

    /// Header and page of a frame in the file, valid until the next call; nil when the file ends before.
    func readFrame(
        at offset: Int64,
        _ pageSize: PageSize,
        _ read: Read
    ) -> (header: UnsafeRawBufferPointer, page: UnsafeRawBufferPointer)? {
        let size = WALFrames.frameSize(pageSize)
        if scratch.count < size {
            scratch.deallocate()
            scratch = .allocate(byteCount: size, alignment: 4096)
        }
        let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<size])
        guard read(buffer, offset) == size else { return nil }
        let bytes = UnsafeRawBufferPointer(buffer)
        return (
            UnsafeRawBufferPointer(rebasing: bytes[..<WALFrameHeader.size]),
            UnsafeRawBufferPointer(rebasing: bytes[WALFrameHeader.size...])
        )
    }
}
