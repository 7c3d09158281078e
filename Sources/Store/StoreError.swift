import LTX
import POSIX

/// What can go wrong with a database's files or transactions.
///
/// The text names the thing, the place and, where there is one, the remedy.
public enum StoreError: Error, CustomStringConvertible {
    /// A file operation failed.
    case file(FileError)
    /// A transaction could not be encoded: a defect, or content that does not fit together.
    case encoding(String)
    /// A received transaction cannot be applied.
    case rejected(database: String, reason: String)
    /// A database has a fault that keeps it from being used.
    case fault(database: String, reason: String)
    /// A commit's page is not in the log any more.
    case overwritten(database: String, frame: UInt32)
    /// No database has this name.
    case unknownDatabase(String)
    /// The name cannot be a database's.
    case name(DatabaseNameError)
    /// The data directory belongs to another cluster or holds a file that makes no sense.
    case dataDirectory(String)
    /// The node is shutting down.
    case closing

    /// What failed, where, and what helps.
    public var description: String {
        switch self {
        case .file(let error): error.description
        case .encoding(let reason): "cannot encode transaction: \(reason)"
        case .rejected(let database, let reason): "cannot apply transaction to \"\(database)\": \(reason)"
        case .fault(let database, let reason): "database \"\(database)\": \(reason)"
        case .overwritten(let database, let frame):
            "database \"\(database)\": frame \(frame) of its log was overwritten before it was stored"
        case .unknownDatabase(let name): "database not found: \"\(name)\""
        case .name(let error): error.description
        case .dataDirectory(let reason): reason
        case .closing: "the node is shutting down"
        }
    }

    /// The error number for the program that made the request.
    public var errno: Errno {
        switch self {
        case .file(let error): error.errno
        case .unknownDatabase: .noEntry
        case .name: .invalidArgument
        case .rejected, .fault, .overwritten, .encoding, .dataDirectory, .closing: .io
        }
    }
}
