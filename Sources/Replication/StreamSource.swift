import LTX
import POSIX
import SQLiteFormat
import Store

/// What a `StreamServer` streams from: the store of a node.
///
/// Usable from any thread.
public protocol StreamSource: AnyObject, Sendable {
    /// The number that this process gave itself.
    var nodeID: UInt64 { get }
    /// The cluster that the data belongs to; nil as long as it belongs to none.
    var clusterID: ClusterID? { get }
    /// Whether this node is the primary now.
    var isPrimary: Bool { get }
    /// All databases, in any order.
    var streamableDatabases: [any StreamableDatabase] { get }
    /// The database of this name.
    func streamableDatabase(_ name: DatabaseName) -> (any StreamableDatabase)?
}

/// A database that can be sent.
public protocol StreamableDatabase: AnyObject, Sendable {
    /// Its name on the mount.
    var name: DatabaseName { get }
    /// The last transaction that is in the log.
    var storedPosition: Position { get }
    /// The last transaction; it may not be in the log yet.
    var capturedPosition: Position { get }
    /// Its LTX files.
    var log: TransactionLog { get }
    /// A consistent read at the last transaction, which may not be in the log yet.
    ///
    /// Waits for programs that are in the middle of a transaction until `deadline`, and then throws.
    func consistentRead(deadline: MonotonicTime) throws -> any ConsistentRead
}

/// A read of a whole database as it was at one position.
///
/// For one thread; end it with `end()`.
public protocol ConsistentRead: AnyObject {
    /// The position that is read.
    var position: Position { get }
    /// Time of its last transaction, milliseconds since 1970.
    var timestamp: Int64 { get }
    /// Size of a page.
    var pageSize: PageSize { get }
    /// Pages of the database.
    var pageCount: UInt32 { get }
    /// The checksum of each page, page 1 at index 0; 0 for the lock page.
    var checksums: [UInt64] { get }
    /// Reads pages from `first` on, in ascending order from call to call; the lock page reads as zeros. Pages may be left out.
    ///
    /// - Returns: how many pages are in `buffer`; 0 after the last one.
    /// - Throws: when a page is not what it was at the position.
    func read(from first: PageNumber, into buffer: UnsafeMutableRawBufferPointer) throws -> Int
    /// Ends the read.
    func end()
}

extension DatabaseSnapshot: ConsistentRead {}

extension Store: StreamSource {
    /// All databases, dropped ones included.
    public var streamableDatabases: [any StreamableDatabase] { databases }

    /// The database of this name, also when it is dropped.
    public func streamableDatabase(_ name: DatabaseName) -> (any StreamableDatabase)? { database(name) }
}

extension Database: StreamableDatabase {
    /// The position of the summary.
    public var capturedPosition: Position { summary.position }

    /// A snapshot.
    public func consistentRead(deadline: MonotonicTime) throws -> any ConsistentRead {
        try snapshot(deadline: deadline)
    }
}
