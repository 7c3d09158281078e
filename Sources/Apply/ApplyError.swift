import POSIX
import SQLiteFormat

/// Why frames could not be appended to a replica's log, or copied from it.
public struct ApplyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What went wrong.
    public enum Reason: Equatable, Sendable {
        /// A system call failed.
        case system(call: String, Errno)
        /// The wal-index holds bytes that SQLite would not have written.
        case format(SQLiteFormatError)
        /// The file ends before bytes that the wal-index or a header promises.
        case truncated(offset: Int64, needed: Int)
        /// Another process held a lock for longer than any step of SQLite's protocol takes.
        case lockHeld(String)
        /// The wal-index describes another log, or a longer one, than the `-wal` file holds.
        case indexDisagrees(logFrames: UInt32, indexFrames: UInt32)
        /// The transaction has another page size than the log, and the log cannot restart while readers use it.
        ///
        /// Nothing was changed; try again after a checkpoint.
        case pageSizeChangeMustWait(log: PageSize, wanted: PageSize)
        /// A commit without a page, or of a database without pages.
        case emptyTransaction
        /// A page that no database of this page size has, or a buffer that is not one page.
        case illegalPage(PageNumber, bytes: Int)
        /// The log has as many frames as its format can count.
        case logFull
        /// The log could not be synchronized earlier, so its bytes on disk are unknown until it is opened anew.
        case unsynchronized
    }

    /// The name of the file, relative to the mount.
    public let file: String

    /// What went wrong.
    public let reason: Reason

    init(_ file: String, _ reason: Reason) {
        self.file = file
        self.reason = reason
    }

    /// One line for a log.
    public var description: String {
        "\(file): \(reason.text)"
    }
}

extension ApplyError.Reason {
    fileprivate var text: String {
        switch self {
        case .system(let call, let errno): "\(call) failed: \(errno)"
        case .format(let error): error.description
        case .truncated(let offset, let needed): "ends within the \(needed) bytes at \(offset)"
        case .lockHeld(let lock): "another process keeps the lock \(lock)"
        case .indexDisagrees(let logFrames, let indexFrames):
            "the wal-index speaks of \(indexFrames) frames of a log that is not the one with \(logFrames)"
        case .pageSizeChangeMustWait(let log, let wanted):
            "pages of \(wanted.rawValue) bytes must wait until readers leave the log with \(log.rawValue)"
        case .emptyTransaction: "a transaction needs a page, and a database size"
        case .illegalPage(let page, let bytes): "page \(page.rawValue) with \(bytes) bytes"
        case .logFull: "the log has no number for another frame"
        case .unsynchronized: "was not synchronized when it had to be; open it anew"
        }
    }
}
