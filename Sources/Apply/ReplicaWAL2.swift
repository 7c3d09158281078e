// A log of two files, as SQLite's wal2 mode has it. Transactions go to one file until it has many frames; then, if the database file has all of
// the other one and no reader needs that any more, they go on there:
//
//     -wal     frames … c │               copied to the database file while -wal2 is written     │ begins anew behind d
//     -wal2               │ frames … d                                                           │
//
// Only the file that is not written is copied, and always all of it: so the database file is at any time what the last commit of that file
// made it. Readers lock one of four bytes, which says which file was written when they began, and whether they need the other one as well:
//
//     124  -wal is written, the other is not needed      127  -wal2 is written, the other is not needed
//     125  -wal is written, all of -wal2 is needed       126  -wal2 is written, all of -wal is needed
//
// A reader that stays keeps the log from going on in the other file, so the one that is written grows; nothing waits for it.

import Faults
import POSIX
import SQLiteFormat

/// The log of a database in wal2 mode on a replica; see `ReplicaLog`.
///
/// Commits are not synchronized to disk: the transactions' LTX files are what makes them last.
///
/// Invariants:
/// - The wal-index says where the log goes on before anything is written there. A file begins anew only when the database file has all
///   of it, synchronized, and no reader needs it; its new header is on disk before frames follow.
/// - `-wal` always has a frame while `-wal2` has one: SQLite's recovery empties the one when the other is empty. So it is never cut.
/// - After a failed write the last commit is as it was.
public final class ReplicaWAL2: ReplicaLog {
    /// Frames from which on the log goes on in the other file, as SQLite's default.
    static let switchFrames: UInt32 = 1000
    /// A `-wal2` that has grown beyond so many bytes is cut when the log goes on there.
    static let keptLogBytes: Int64 = 64 << 20

    /// The committed frames.
    public internal(set) var committed: LogFrames

    let files: HeldFiles
    let shared: IndexFile
    /// `-wal` and `-wal2`.
    let logs: [OpenFile]
    let writers: [LogWriter]

    /// The header of each file; nil while it has none.
    var headers: [WALHeader?]
    /// The chain of each file up to its last committed frame.
    var chains: [WALChain?]
    /// The header that the wal-index has.
    var published: WALIndexHeader
    /// The size of the database's pages.
    var pageSize: PageSize
    var isWriting = false
    /// Whether the daemon has copied the file that is not written: what the wal-index says anybody can write there.
    var isOtherCopied = false
    /// The file whose bytes on disk are unknown because they could not be synchronized.
    public internal(set) var unsynchronized: WALFile?

    private var isOpen = true

    /// Goes on with the log of a database.
    ///
    /// A wal-index that says less than the log, or that a process left half written, is built again as SQLite would do it; readers may be
    /// using it meanwhile.
    ///
    /// - Parameters:
    ///   - files: the files, with `-wal2`; `close` closes them. When this throws they stay with the caller, who may try again.
    ///   - content: what the log holds.
    ///   - pageSize: the page size of the database, for a log without frames.
    /// - Throws: `ApplyError`: a system call, or a lock that another process keeps for seconds.
    public init(_ files: HeldFiles, content: LogContent, pageSize: PageSize) throws(ApplyError) {
        guard let log2 = files.log2 else { preconditionFailure("a wal2 log has two files") }
        self.files = files
        logs = [files.log, log2]
        committed = content.frames
        headers = WALFile.allCases.map { content[$0].header }
        chains = WALFile.allCases.map { content[$0].chain }
        self.pageSize = content.header?.pageSize ?? pageSize
        let unused = WALChain(startOf: Self.firstHeader(self.pageSize))
        writers = logs.map { LogWriter($0, chain: unused, synchronous: true) }
        published = WALIndexHeader(wal2: content, changeCounter: 1)
        shared = try IndexFile(files.index, frames: 0, in: .file(.wal2))
        try files.index.lock(.write)
        defer { files.index.unlock(.write) }
        try adoptIndex()
    }

    /// The header of a log that begins.
    static func firstHeader(_ pageSize: PageSize) -> WALHeader {
        WALHeader(
            pageSize: pageSize,
            checkpointSequence: 0,
            salt1: .random(in: 0 ... .max),
            salt2: .random(in: 0 ... .max),
            version: .wal2
        )
    }

    /// The file to which the log is written.
    var file: WALFile { committed.file }

    /// The number of bytes that committed frames and headers take in both files.
    public var walBytes: Int64 {
        WALFile.allCases.reduce(0) { $0 + end(of: $1) }
    }

    func end(of file: WALFile) -> Int64 {
        let frames = committed[file]
        return frames.isEmpty ? 0 : WALFrames.offset(ofFrame: UInt32(frames.count) + 1, pageSize: pageSize)
    }

    /// The number of frames of the file that is not written, if the database file does not have them yet.
    ///
    /// 0 if the wal-index cannot be read, and after `close`.
    public var framesToCopy: UInt32 {
        guard isOpen, (try? shared.refresh()) != nil, !isOtherCopied || shared.index.backfilled != 1 else {
            return 0
        }
        return UInt32(committed[file.other].count)
    }

    /// Writes the unsynchronized file again.
    ///
    /// - Throws: `ApplyError`; then it is as unsynchronized as before.
    public func rewrite(_ file: borrowing FileDescriptor) throws(ApplyError) {
        guard let which = unsynchronized, let chain = chains[Int(which.rawValue)] else { return }
        try LogRewrite.run(
            file,
            logs[Int(which.rawValue)].name,
            frames: committed[which],
            chain: chain
        )
        unsynchronized = nil
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
