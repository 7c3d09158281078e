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
// A write inside `committed` means that SQLite does not know a commit that was captured: the writing program died, or
// failed to sync, after the frame that commits was written and before it was published in the wal-index. Then the
// commits from there on are withdrawn, and their pages are suspect.

/// Follows the writes to a `-wal` and finds the transactions that they complete.
///
/// Not thread-safe; the owner serialises. Reads the file through functions that it is given, never keeps one.
public final class WALCapture {
    /// Fills the buffer from an offset of the file and returns the number of bytes, fewer only at the end of the file.
    public typealias Read = (UnsafeMutableRawBufferPointer, Int64) -> Int

    /// A page of a transaction: its newest version.
    public struct Page: Sendable {
        /// The page.
        public var number: PageNumber
        /// The frame that holds it.
        public var frame: UInt32
        /// Its checksum.
        public var checksum: Checksum
    }

    /// A transaction that SQLite committed.
    public struct Commit: Sendable {
        /// Changed pages, ascending, each once, none beyond `pageCount`.
        public var pages: [Page]
        /// Size of the database in pages after the transaction.
        public var pageCount: UInt32
        /// First frame of the transaction.
        public var firstFrame: UInt32
        /// The frame that commits.
        public var lastFrame: UInt32
    }

    private struct Pending {
        var page: PageNumber
        var checksum: Checksum
        var chain: WALChain
    }

    /// Header of the log; nil while there is none.
    public private(set) var header: WALHeader?
    /// Page of each committed frame; frame 1 is at index 0.
    public private(set) var frames: [UInt32] = []

    private var committedChain: WALChain?
    private var pending: [Pending] = []
    /// End of the furthest write since the last commit or restart: what lies beyond it is left over from before.
    private var writtenEnd: Int64 = 0
    /// The last frame header that was written, and its offset.
    private let lastHeader = UnsafeMutableRawBufferPointer.allocate(
        byteCount: WALFrameHeader.size,
        alignment: 8
    )
    private var lastHeaderOffset: Int64 = -1
    private var scratch = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    /// No log.
    public init() {}

    deinit {
        lastHeader.deallocate()
        scratch.deallocate()
    }

    /// Frames captured as committed.
    public var committedFrames: UInt32 { UInt32(frames.count) }

    /// Size of a frame in bytes; nil without a header.
    public var pageSize: PageSize? { header?.pageSize }

    /// Bytes of the log that are captured, its header included; 0 without a header.
    public var capturedBytes: Int64 {
        guard let pageSize else { return 0 }
        return Int64(WALHeader.size) + Int64(frames.count) * Int64(WALFrames.frameSize(pageSize))
    }

    // MARK: - Writes

    /// Whether a write touches the log's header.
    public func touchesHeader(at offset: Int64) -> Bool { offset < Int64(WALHeader.size) }

    /// First committed frame that a write at `offset` would overwrite; nil when it overwrites none.
    public func firstCommittedFrame(touchedAt offset: Int64) -> UInt32? {
        guard let pageSize, let place = WALFrames.frame(atOffset: offset, pageSize: pageSize) else {
            return nil
        }
        return place.frame <= committedFrames ? place.frame : nil
    }

    /// Notes a write behind the header that touches no committed frame.
    ///
    /// Then ask for `nextCommit`.
    public func wrote(_ bytes: UnsafeRawBufferPointer, at offset: Int64) {
        guard let pageSize, let place = WALFrames.frame(atOffset: offset, pageSize: pageSize) else { return }
        let index = Int(place.frame) - frames.count - 1
        if index < pending.count { pending.removeLast(pending.count - max(index, 0)) }
        writtenEnd = max(writtenEnd, offset + Int64(bytes.count))
        if place.byte == 0, bytes.count >= WALFrameHeader.size {
            lastHeader.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<WALFrameHeader.size]))
            lastHeaderOffset = offset
        } else if offset < lastHeaderOffset + Int64(WALFrameHeader.size),
            offset + Int64(bytes.count) > lastHeaderOffset
        {
            lastHeaderOffset = -1
        }
    }

    /// The next transaction that is complete, or nil.
    ///
    /// - Parameter write: the bytes and offset of the write just noted, so that they need not be read again.
    public func nextCommit(
        after write: (bytes: UnsafeRawBufferPointer, offset: Int64)?,
        read: Read
    ) -> Commit? {
        guard let header, var chain = pending.last?.chain ?? committedChain else { return nil }
        let frameSize = Int64(WALFrames.frameSize(header.pageSize))
        while true {
            let number = UInt32(frames.count + pending.count + 1)
            let offset = WALFrames.offset(ofFrame: number, pageSize: header.pageSize)
            guard writtenEnd >= offset + frameSize else { return nil }
            guard let frame = frame(at: offset, header.pageSize, write, read),
                let next = chain.extended(header: frame.header, page: frame.page),
                let fields = try? WALFrameHeader(frame.header)
            else { return nil }
            let checksum = PageChecksum.compute(fields.page, frame.page)
            pending.append(Pending(page: fields.page, checksum: checksum, chain: next))
            chain = next
            if fields.isCommit { return take(pageCount: fields.commitSize) }
        }
    }

    /// Turns the pending frames into a transaction.
    private func take(pageCount: UInt32) -> Commit {
        let first = committedFrames + 1
        var pages: [Page] = []
        pages.reserveCapacity(pending.count)
        frames.reserveCapacity(frames.count + pending.count)
        for (index, frame) in pending.enumerated() {
            frames.append(frame.page.rawValue)
            if frame.page.rawValue <= pageCount {
                pages.append(Page(number: frame.page, frame: first + UInt32(index), checksum: frame.checksum))
            }
        }
        committedChain = pending.last?.chain
        pending.removeAll(keepingCapacity: pending.count <= 4096)
        writtenEnd = 0
        pages.keepNewestVersions()
        return Commit(pages: pages, pageCount: pageCount, firstFrame: first, lastFrame: committedFrames)
    }

    /// Header and page of a frame, from the write at hand, the last header seen, or the file.
    private func frame(
        at offset: Int64,
        _ pageSize: PageSize,
        _ write: (bytes: UnsafeRawBufferPointer, offset: Int64)?,
        _ read: Read
    ) -> (header: UnsafeRawBufferPointer, page: UnsafeRawBufferPointer)? {
        let pageOffset = offset + Int64(WALFrameHeader.size)
        if let write, lastHeaderOffset == offset, write.offset <= pageOffset,
            write.offset + Int64(write.bytes.count) >= pageOffset + Int64(pageSize.bytes)
        {
            let start = Int(pageOffset - write.offset)
            let page = UnsafeRawBufferPointer(rebasing: write.bytes[start..<start + pageSize.bytes])
            return (UnsafeRawBufferPointer(lastHeader), page)
        }
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

    // MARK: - Beginnings and ends of a log

    /// What a write to the header meant.
    public enum HeaderChange {
        /// The log starts anew; frames that it held before are no longer part of it.
        case restarted
        /// The same header was written again: the log has no frames, and those that were captured are withdrawn.
        case rewritten
    }

    /// Notes that the header was written: call after the write.
    ///
    /// Captured frames must be forgotten by the owner first (`frames` still holds them); afterwards there
    /// are none.
    public func headerWritten(read: Read) -> HeaderChange {
        let previous = header
        let size = WALHeader.size
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 8)
        defer { bytes.deallocate() }
        let count = read(bytes, 0)
        end()
        if count == size, let header = try? WALHeader(UnsafeRawBufferPointer(bytes)) {
            self.header = header
            committedChain = WALChain(startOf: header)
        }
        return header != nil && header == previous ? .rewritten : .restarted
    }

    /// The log is gone or empty.
    public func end() {
        header = nil
        frames.removeAll(keepingCapacity: frames.count <= 8192)
        committedChain = nil
        pending.removeAll(keepingCapacity: true)
        writtenEnd = 0
        lastHeaderOffset = -1
    }

    /// The log was cut to `size` bytes, which may end pending frames.
    ///
    /// Nothing committed may lie beyond.
    public func truncated(to size: Int64) {
        guard let pageSize else { return }
        let frame = Int(WALFrames.count(fileSize: size, pageSize: pageSize))
        let keep = max(0, frame - frames.count)
        if keep < pending.count { pending.removeLast(pending.count - keep) }
        writtenEnd = min(writtenEnd, size)
        lastHeaderOffset = -1
    }

    /// Takes back the commits from the one that holds `frame` on, because SQLite is about to write over it.
    ///
    /// - Returns: the pages that they changed.
    public func withdraw(from frame: UInt32, read: Read) -> [UInt32] {
        guard let header else { return [] }
        // The last frame before `frame` that commits is the new end.
        var end = Int(frame) - 1
        var chain = WALChain(startOf: header)
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: WALFrameHeader.size, alignment: 8)
        defer { bytes.deallocate() }
        while end > 0 {
            let offset = WALFrames.offset(ofFrame: UInt32(end), pageSize: header.pageSize)
            if read(bytes, offset) == bytes.count,
                let fields = try? WALFrameHeader(UnsafeRawBufferPointer(bytes)),
                fields.isCommit
            {
                chain.resume(at: fields.checksum)
                break
            }
            end -= 1
        }
        let pages = Array(frames[end...])
        frames.removeLast(frames.count - end)
        committedChain = chain
        pending.removeAll(keepingCapacity: true)
        writtenEnd = 0
        lastHeaderOffset = -1
        return pages
    }

    /// Takes over a log that already holds frames: those up to `frame` count as captured, the rest as just written.
    ///
    /// - Parameter frame: a frame that commits, or 0.
    public func resume(_ content: WALContent, capturedThrough frame: UInt32, fileSize: Int64, read: Read) {
        end()
        guard let header = content.header else { return }
        self.header = header
        var chain = WALChain(startOf: header)
        if frame > 0 {
            let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: WALFrameHeader.size, alignment: 8)
            defer { bytes.deallocate() }
            let offset = WALFrames.offset(ofFrame: frame, pageSize: header.pageSize)
            guard read(bytes, offset) == bytes.count,
                let fields = try? WALFrameHeader(UnsafeRawBufferPointer(bytes))
            else {
                return end()
            }
            chain.resume(at: fields.checksum)
        }
        frames = Array(content.frames.prefix(Int(frame)))
        committedChain = chain
        writtenEnd = fileSize
    }
}

extension Array where Element == WALCapture.Page {
    /// Sorts by page and keeps the newest version of each, in place.
    public mutating func keepNewestVersions() {
        if count < 2 { return }
        sort { ($0.number, $0.frame) < ($1.number, $1.frame) }
        var kept = 0
        for index in 1..<count {
            if self[index].number != self[kept].number { kept += 1 }
            self[kept] = self[index]
        }
        removeLast(count - kept - 1)
    }
}
