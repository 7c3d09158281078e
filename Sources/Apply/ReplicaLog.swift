import POSIX
import SQLiteFormat

/// The log of a database on a replica, of which the daemon is the only writer: of one file (`ReplicaWAL`) or of two (`ReplicaWAL2`).
///
///     begin, append …, commit     frames, then wal-index entries, then the wal-index header
///     abandon                     nothing happened
///     checkpoint                  frames → database file, as far as readers allow
///
/// It keeps to SQLite's protocol as a SQLite connection would, so unmodified readers in other processes go on: a reader sees a transaction
/// as a whole, or not at all, and keeps what it saw for as long as it reads. Nothing waits for a reader. One thread uses it, and holds no lock
/// that a FUSE handler takes.
public protocol ReplicaLog: AnyObject {
    /// The committed frames.
    var committed: LogFrames { get }
    /// The number of committed frames that a checkpoint has to copy, and may.
    var framesToCopy: UInt32 { get }
    /// The number of bytes of the log that are in use.
    var walBytes: Int64 { get }
    /// The file whose bytes on disk are unknown because they could not be synchronized: `rewrite` must come before a checkpoint.
    var unsynchronized: WALFile? { get }

    /// Starts a transaction.
    ///
    /// - Throws: `ApplyError`; `pageSizeChangeMustWait` if the log has another page size and cannot begin anew now. Then no transaction
    ///   is started.
    func begin(pageSize: PageSize) throws(ApplyError)
    /// Adds a page to the transaction.
    ///
    /// - Throws: `ApplyError`; then only `abandon` remains.
    func append(_ page: PageNumber, _ data: UnsafeRawBufferPointer) throws(ApplyError)
    /// Ends the transaction: readers that start after the call see it.
    ///
    /// - Throws: `ApplyError`: the transaction is still open, nobody sees it, and only `abandon` remains.
    func commit(pageCount: UInt32) throws(ApplyError)
    /// Forgets the open transaction, if there is one.
    func abandon()
    /// Copies frames to the database file, as far as readers allow.
    ///
    /// - Throws: `ApplyError`: the frames count as not copied, and nothing is lost.
    func checkpoint() throws(ApplyError) -> CheckpointResult
    /// Copies all frames, while nobody else has the database open.
    ///
    /// - Returns: whether the database file has all of them.
    /// - Throws: `ApplyError`, as `checkpoint`.
    func copyAll() throws(ApplyError) -> Bool
    /// Writes the unsynchronized file again and puts it on disk.
    ///
    /// - Throws: `ApplyError`; then it is as unsynchronized as before.
    func rewrite(_ file: borrowing FileDescriptor) throws(ApplyError)
    /// Gives up a started transaction, unlocks and closes.
    func close()
}

extension JournalMode {
    /// Writes a complete wal-index of this mode for a log, as SQLite's recovery would leave it.
    ///
    /// For a database that nobody uses: read marks are not looked at.
    ///
    /// - Parameters:
    ///   - content: what the log holds; of this mode, which is not `rollback`.
    ///   - file: the `-shm` file; gets a new content and size, a multiple of 32 KiB.
    /// - Throws: `ApplyError` when the file cannot be written.
    public func writeIndex(
        for content: LogContent,
        to file: borrowing FileDescriptor
    ) throws(ApplyError) {
        if self == .wal2 {
            try ReplicaWAL2.writeIndex(for: content, to: file)
        } else {
            try ReplicaWAL.writeIndex(for: content.newest, to: file)
        }
    }
}

extension ReplicaWAL: ReplicaLog {
    /// The committed frames.
    public var committed: LogFrames { LogFrames(newest: frames) }
    /// The number of committed frames that the database file does not have.
    public var framesToCopy: UInt32 { frameCount - backfilledFrames }
    /// Copies all frames, while nobody else has the database open.
    ///
    /// - Returns: whether the database file has all of them.
    /// - Throws: `ApplyError`, as `checkpoint`.
    public func copyAll() throws(ApplyError) -> Bool { try checkpoint().isComplete }
    /// `-wal` when its bytes on disk are unknown.
    public var unsynchronized: WALFile? { mustBeRewritten ? .wal : nil }
}
