import LTX
import Logging
import Metrics
import POSIX
import Synchronization

/// What a node's store is set up with.
public struct StoreOptions: Sendable {
    /// The data directory.
    public var dataDirectory: String
    /// Whether this node writes (primary) or applies (replica).
    ///
    /// Does not change while the store is open.
    public var isPrimary: Bool
    /// Until when commits may be acknowledged, on a primary.
    public var permit: WritePermit
    /// Whether this node may be a replica now and the primary later, or the other way round, with the same programs on its mount.
    public var roleMayChange: Bool
    /// LZ4 in LTX files.
    public var compress: Bool
    /// LTX files older than this are removed; zero or less keeps them all.
    public var retention: Duration
    /// Written into LTX files; anew for each process, so that a node knows its own transactions.
    public var nodeID: UInt64
    /// Names that are no database's, whatever the content.
    public var localNames: LocalNames
    /// The mount lives on from an earlier process, with programs that use the files (docs/ARCHITECTURE.md, "Surviving the daemon").
    public var isTakeover: Bool
    /// Programs write to logs past the daemon while it opens the store.
    public var logsPass: Bool
    /// How long a process that is ending may take until its descriptors are closed.
    public var endOfEarlier: Duration

    /// Options with their values.
    public init(
        dataDirectory: String,
        isPrimary: Bool,
        permit: WritePermit = .forEver,
        roleMayChange: Bool = false,
        compress: Bool = true,
        retention: Duration = .seconds(600),
        nodeID: UInt64 = .random(in: 1 ... .max),
        localNames: LocalNames = LocalNames([]),
        isTakeover: Bool = false,
        logsPass: Bool = false,
        endOfEarlier: Duration = .zero
    ) {
        self.permit = permit
        self.roleMayChange = roleMayChange
        self.endOfEarlier = endOfEarlier
        self.isTakeover = isTakeover
        self.logsPass = logsPass
        self.dataDirectory = dataDirectory
        self.isPrimary = isPrimary
        self.compress = compress
        self.retention = retention
        self.nodeID = nodeID
        self.localNames = localNames
    }
}

/// Who is told about changes.
///
/// Called on the thread that made the change, with no lock of the database held.
public protocol StoreObserver: AnyObject, Sendable {
    /// A database has new transactions in its log, or a new position.
    func transactionsAppeared(in database: Database)
    /// A database became visible on the mount, or went.
    func visibilityChanged(of database: Database)
}

/// What all databases of a store share.
final class StoreContext: Sendable {
    let options: StoreOptions
    let logger: Logger
    let metrics: StoreMetrics
    let encoders = EncoderPool()
    /// The node IDs with which this node was the primary, where the lease may move.
    let madeHere: Set<UInt64>
    let ownThreads = OwnThreads()
    private let observers = Mutex<[any StoreObserver]>([])
    /// Rung when something is in doubt.
    let reconcileRequests = Doorbell()
    /// Rung when a log became long.
    let longLogs = Doorbell()
    private let fileKeeper = Mutex<(any FileKeeper)?>(nil)
    private let mountRoot = Mutex<Int32?>(nil)
    private let mountedAt = Mutex<String?>(nil)

    init(options: StoreOptions, logger: Logger, registry: MetricsRegistry) {
        self.options = options
        self.logger = logger
        metrics = StoreMetrics(registry)
        madeHere = options.roleMayChange ? Set(PrimaryRuns.nodeIDs(in: options.dataDirectory)) : []
    }

    /// Whether this node is the primary, and may acknowledge commits now.
    var mayCommit: Bool { options.isPrimary && options.permit.holds }

    /// Who keeps files that are in use when they lose their name.
    var keeper: (any FileKeeper)? {
        get { fileKeeper.withLock { $0 } }
        set { fileKeeper.withLock { $0 = newValue } }
    }

    /// Descriptor of the mount's root folder for `openat`; nil while there is no mount.
    var mount: Int32? {
        get { mountRoot.withLock { $0 } }
        set { mountRoot.withLock { $0 = newValue } }
    }

    /// Folder of the mount; nil while there is no mount.
    var mountPath: String? {
        get { mountedAt.withLock { $0 } }
        set { mountedAt.withLock { $0 = newValue } }
    }

    func add(_ observer: any StoreObserver) { observers.withLock { $0.append(observer) } }

    func transactionsAppeared(in database: Database) {
        for observer in observers.withLock({ $0 }) { observer.transactionsAppeared(in: database) }
    }

    func visibilityChanged(of database: Database) {
        for observer in observers.withLock({ $0 }) { observer.visibilityChanged(of: database) }
    }
}

/// Counters of the store, under LiteFS's names where it has them.
final class StoreMetrics: Sendable {
    private let registry: MetricsRegistry

    init(_ registry: MetricsRegistry) {
        self.registry = registry
    }

    /// The counters of one database.
    struct PerDatabase: Sendable {
        let databaseWrites: Counter
        let journalWrites: Counter
        let walWrites: Counter
        let shmWrites: Counter
        let commits: Counter
        let reconciled: Counter
        let withdrawn: Counter
        let logRestarts: Counter
        let reaped: Counter
        let faults: Counter
        let diverged: Counter
    }

    func counters(of name: DatabaseName) -> PerDatabase {
        let labels: MetricLabels = ["db": name.text]
        func counter(_ name: String, _ help: String) -> Counter {
            registry.counter("litefs_db_" + name, help: help, labels: labels)
        }
        return PerDatabase(
            databaseWrites: counter("database_write_count", "Writes to the database file."),
            journalWrites: counter("journal_write_count", "Writes to the rollback journal."),
            walWrites: counter("wal_write_count", "Writes to the write-ahead log."),
            shmWrites: counter("shm_write_count", "Writes to the wal-index."),
            commits: counter("commit_count", "Committed transactions."),
            reconciled: counter(
                "reconcile_count",
                "Transactions found by comparing pages with their checksums."
            ),
            withdrawn: counter("withdrawn_count", "Commits that SQLite took back after they were captured."),
            logRestarts: counter(
                "wal_restart_count",
                "Logs copied back by the daemon, because programs wrote without a pause."
            ),
            reaped: counter("ltx_reap_count", "LTX files removed by retention."),
            faults: counter(
                "fault_count",
                "Faults that stopped a database from being written or replicated."
            ),
            diverged: counter(
                "diverged_count",
                "Transactions set aside because the primary does not have them."
            )
        )
    }
}
