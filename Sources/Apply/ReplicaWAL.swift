import POSIX
import SQLiteFormat

/// The write-ahead log of a database on a replica, of which the daemon is the only writer.
///
/// It keeps to SQLite's protocol as a SQLite connection would, so unmodified readers in other processes go on while
/// transactions are appended and copied back: a reader sees a transaction as a whole, or not at all, and keeps what
/// it saw for as long as it reads. Nothing here waits for a reader.
///
/// As long as the value lives, the last reader to close neither copies the log nor removes it.
///
/// One thread uses it, and holds no lock that a FUSE handler takes: every call is I/O. Commits are not synchronized to disk: the transactions' LTX files are what makes them last.
public final class ReplicaWAL {
    /// A log file that has grown beyond so many bytes is cut when the log restarts.
    public static let keptLogBytes: Int64 = 64 << 20

    /// The page of each committed frame; frame 1 is at index 0.
    ///
    /// Empty after the log has restarted: then the database file has all.
    public internal(set) var frames: [UInt32]

    /// The size of the database in pages after the last commit; 0 before the first one, when the file's size says it.
    public internal(set) var pageCount: UInt32

    let files: HeldFiles
    var database: OpenFile { files.database }
    var log: OpenFile { files.log }
    let shared: IndexFile
    let writer: LogWriter
    let synchronous: Bool

    /// The header of the log; not yet in the file while no frame was written after a restart.
    var header: WALHeader
    /// The chain up to the last committed frame.
    var chain: WALChain
    /// The header that the wal-index has.
    var published: WALIndexHeader
    /// Whether a transaction was started.
    var isWriting = false
    /// Whether the log's bytes on disk are unknown because they could not be synchronized.
    var logIsUnsynchronized = false
    /// Whether the file's bytes on disk are unknown, so that the next checkpoint has to copy from frame 1.
    var copiesFromStart = false

    private var isOpen = true

    /// Goes on with the log of a database.
    ///
    /// A wal-index that says less than the log, or that a process left half written, is built again as SQLite would
    /// do it; readers may be using it meanwhile.
    ///
    /// - Parameters:
    ///   - files: the files, which `close` closes. When this throws they stay with the caller, who may try again.
    ///   - content: what the log holds.
    ///   - pageSize: the page size of the database, for a log without frames.
    ///   - synchronous: whether checkpoints, and headers of restarted logs, are synchronized to disk.
    /// - Throws: `ApplyError`: a system call, a lock that another process keeps for seconds, or `indexDisagrees` if the
    ///   wal-index is that of another log. Then only `writeIndex` helps, while nobody reads.
    public init(
        _ files: HeldFiles,
        content: WALContent,
        pageSize: PageSize,
        synchronous: Bool
    ) throws(ApplyError) {
        self.files = files
        shared = try IndexFile(files.index, frames: UInt32(content.frames.count))
        header =
            content.header
            ?? WALHeader(
                pageSize: pageSize,
                checkpointSequence: 0,
                salt1: .random(in: 0 ... .max),
                salt2: .random(in: 0 ... .max)
            )
        chain = content.chain ?? WALChain(startOf: header)
        writer = LogWriter(files.log, chain: chain, synchronous: synchronous)
        frames = content.frames
        pageCount = content.pageCount
        published = WALIndexHeader(content: content, changeCounter: 1)
        self.synchronous = synchronous
        try files.index.lock(.write)
        defer { files.index.unlock(.write) }
        try adoptIndex()
    }

    /// The number of committed frames in the log (`mxFrame`).
    public var frameCount: UInt32 {
        UInt32(frames.count)
    }

    /// The number of frames, from the first one on, that the database file has.
    ///
    /// 0 if the wal-index cannot be read, and after `close`.
    public var backfilledFrames: UInt32 {
        guard isOpen, (try? shared.refresh()) != nil else { return 0 }
        return min(shared.index.backfilled, frameCount)
    }

    /// The number of bytes at the start of `-wal` that are in use; 0 for a log without frames.
    public var walBytes: Int64 {
        frames.isEmpty ? 0 : WALFrames.offset(ofFrame: frameCount + 1, pageSize: chain.pageSize)
    }

    /// Gives up a started transaction, unlocks and closes.
    ///
    /// Only the numbers may be asked for afterwards.
    public func close() {
        guard isOpen else { return }
        abandon()
        isOpen = false
        files.close()
    }
}
