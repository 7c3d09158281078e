import LTX
import Store

/// What a `StreamClient` hands transactions to: the store of a replica.
///
/// Usable from any thread.
public protocol StreamTarget: AnyObject, Sendable {
    /// The number that this process gave itself.
    var nodeID: UInt64 { get }
    /// The cluster that the data belongs to; nil on a replica that was never connected.
    var clusterID: ClusterID? { get }
    /// Takes on a cluster ID for good.
    func join(_ clusterID: ClusterID) throws
    /// All databases, in any order.
    var receivingDatabases: [any ReceivingDatabase] { get }
    /// Whether a name is a database's here; else what comes for it is ignored.
    func takes(_ name: DatabaseName) -> Bool
    /// The database of a name, made empty when there is none.
    func receivingDatabase(_ name: DatabaseName) throws -> any ReceivingDatabase
}

extension StreamTarget {
    /// Every name is.
    public func takes(_ name: DatabaseName) -> Bool { true }
}

/// A database of a replica.
public protocol ReceivingDatabase: AnyObject, Sendable {
    /// Its name on the mount.
    var name: DatabaseName { get }
    /// Where to continue from, what was received and is not applied yet included; nil to get the whole database.
    var positionForStream: Position? { get }
    /// The last transaction that readers see.
    var appliedPosition: Position { get }
    /// Begins to receive a transaction.
    func receiver() -> any TransactionReceiver
    /// What it consists of, for a comparison with the primary's; waits until what was received is applied. nil when there is nothing
    /// to compare, or that cannot be told now.
    func comparableContent() -> ComparableContent?
    /// Begins to receive what differs between the content with this database checksum and the primary's.
    func receiver(ofDifferenceFrom checksum: Checksum) -> any TransactionReceiver
    /// The newest positions that the log has, newest first, `count` at most.
    func recentPositions(_ count: Int) -> [Position]
    /// Notes the newest of them that the primary knows; nil when it knows none.
    func noteCommon(_ position: Position?)
    /// Distrusts the position: `positionForStream` is nil until the whole database was received.
    func requestResync(reason: String)
}

/// A transaction on its way in.
///
/// For one thread; given up when it goes without `finish`.
public protocol TransactionReceiver: AnyObject {
    /// Takes more bytes of the LTX file, cut anywhere.
    ///
    /// - Throws: when they are no sound transaction, or one that does not continue what is there.
    func write(_ bytes: UnsafeRawBufferPointer) throws
    /// The file is complete: keeps it, to be applied. May wait while too much waits to be applied.
    func finish() throws
}

extension Store: StreamTarget {
    /// Takes on a cluster ID and puts it on disk.
    public func join(_ clusterID: ClusterID) throws { try adopt(clusterID: clusterID) }

    /// All databases, dropped ones included.
    public var receivingDatabases: [any ReceivingDatabase] { databases }

    /// Whether a name is a database's here.
    public func takes(_ name: DatabaseName) -> Bool { !staysLocal(name.text) }

    /// The database of a name, made empty when there is none.
    public func receivingDatabase(_ name: DatabaseName) throws -> any ReceivingDatabase {
        try databaseOrNew(name)
    }
}

extension Database: ReceivingDatabase {
    /// The position of the summary.
    public var appliedPosition: Position { summary.position }

    /// Begins to receive a transaction.
    public func receiver() -> any TransactionReceiver { beginReceiving() }

    /// Begins to receive a difference.
    public func receiver(ofDifferenceFrom checksum: Checksum) -> any TransactionReceiver {
        beginReceiving(differenceFrom: checksum)
    }
}

extension IncomingTransaction: TransactionReceiver {}
