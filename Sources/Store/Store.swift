import Faults
import LTX
import Logging
import Metrics
import POSIX
import Synchronization

/// The databases of a node.
///
/// Life: `init` opens and recovers what the data directory holds; `start` when there is a mount that nobody sees yet; `stop`
/// before the mount goes; `close` when no request can come any more.
public final class Store: Sendable {
    private let context: StoreContext
    private let state: Mutex<State>
    /// The data directory, locked: a second daemon on it would write the same files.
    private let directory: FileDescriptor
    /// Whether everything that the primary had came in this run.
    private let hasFollowed = Atomic<Bool>(false)
    /// When the data directory became this store's: no other daemon uses it since then.
    public let owned: MonotonicTime

    private struct State {
        var databases: [DatabaseName: Database] = [:]
        var clusterID: ClusterID?
        var reconciler: Reconciler?
        var logKeeper: LogKeeper?
        var misuseWatch: MisuseWatch?
        var retention: Retention?
    }

    /// Runs `body` with a file of the data directory that is gone afterwards, and whether logs there can be taken from programs
    /// that outlive a mount (`LogFence`).
    public func withProbeFile<Result>(
        _ body: (_ file: Int32, _ canFence: Bool) -> Result
    ) throws(FileError) -> Result {
        let path = dataDirectory + "/dbs/.probe"
        do throws(Errno) {
            let file = try FileDescriptor.open(path, [.readWrite, .create])
            defer { try? Files.unlink(path) }
            return body(file.rawValue, LogFence.isPossible(path, file))
        } catch {
            throw FileError("create", path, error)
        }
    }

    /// Notes names in the folder that the mount is going to hide: what belongs to databases of these names is guarded better.
    public func noteHidden(_ names: Set<String>) {
        for database in databases where names.contains(database.name.text) {
            database.locked { database.hasHiddenNamesake = true }
        }
    }

    /// Opens the data directory, which is made if missing.
    ///
    /// - Throws: when the directory cannot be used. A fault of a single database is not an error: it is logged, and shown in
    ///   the database's summary.
    public init(options: StoreOptions, logger: Logger, registry: MetricsRegistry) throws(StoreError) {
        context = StoreContext(options: options, logger: logger, registry: registry)
        let folder = options.dataDirectory + "/dbs"
        var entries: [DirectoryEntry] = []
        do throws(Errno) {
            try Files.makeDirectories(folder, synchronize: true)
            directory = try FileDescriptor.open(options.dataDirectory, [.directory])
            try Self.lock(directory, within: options.endOfEarlier)
            owned = MonotonicTime.now
            if options.isPrimary {
                try PrimaryRuns.begin(
                    options.nodeID,
                    in: options.dataDirectory,
                    isListed: options.roleMayChange
                )
            } else if !options.roleMayChange {
                try PrimaryRuns.recovered(in: options.dataDirectory)
            }
            entries = try Files.list(folder)
        } catch .wouldBlock {
            throw .dataDirectory(
                "the data directory \(options.dataDirectory) is in use by another litefs: stop it first, or give this one "
                    + "another data.dir"
            )
        } catch {
            throw .file(FileError("open the data directory", folder, error))
        }
        state = Mutex(State())
        let clusterID = try ClusterID.load(from: options.dataDirectory)
        state.withLock { $0.clusterID = clusterID }
        if clusterID == nil, options.isPrimary { try adopt(clusterID: .random()) }
        for entry in entries where entry.isDirectory {
            do throws(DatabaseNameError) {
                let name = try DatabaseName(entry.name)
                guard !staysLocal(entry.name) else {
                    logger.warning(
                        "\(folder)/\(entry.name) is left alone: data.local says that files of this name stay on this node; "
                            + "to have the database back, take the pattern out"
                    )
                    continue
                }
                open(name)
            } catch {
                logger.warning("\(folder)/\(entry.name) is left alone: \(error)")
            }
        }
        registry.gauge("litefs_db_count", help: "Databases.") { [weak self] in
            Double(self?.databases.count ?? 0)
        }
        let gauges: [(name: String, help: String, value: @Sendable (Database) -> Double)] = [
            ("litefs_db_txid", "Last transaction.", { Double($0.summary.position.txid.rawValue) }),
            ("litefs_db_ltx_count", "Transaction files.", { Double($0.log.usage.files) }),
            ("litefs_db_ltx_bytes", "Bytes in transaction files.", { Double($0.log.usage.bytes) }),
            ("litefs_db_wal_bytes", "Bytes in use in the write-ahead log.", { Double($0.summary.walBytes) }),
        ]
        for gauge in gauges {
            registry.collect(gauge.name, help: gauge.help, kind: .gauge) { [weak self] in
                (self?.databases ?? []).map { MetricSample(gauge.value($0), labels: ["db": $0.name.text]) }
            }
        }
        registry.gauge("litefs_is_primary", help: "Whether this node is the primary.") {
            [context] in context.mayCommit ? 1 : 0
        }
    }

    private static func lock(
        _ directory: borrowing FileDescriptor,
        within patience: Duration
    ) throws(Errno) {
        let deadline = MonotonicTime.now + patience
        while true {
            do throws(Errno) {
                return try directory.tryLockFile()
            } catch {
                guard error == .wouldBlock, MonotonicTime.now < deadline else { throw error }
                pause(.milliseconds(1))
            }
        }
    }

    /// Tells who keeps files that are in use when they lose their name; nil when nobody does.
    public func setKeeper(_ keeper: (any FileKeeper)?) { context.keeper = keeper }

    private func open(_ name: DatabaseName) {
        do throws(StoreError) {
            _ = try openDatabase(name)
        } catch {
            context.logger.error("database \"\(name)\": \(error)")
        }
    }

    private func openDatabase(_ name: DatabaseName) throws(StoreError) -> Database {
        let database = try Database(name: name, context: context)
        do throws(StoreError) {
            try database.open()
        } catch {
            database.locked {
                database.fail("cannot be opened: \(error)")
                // Its name is taken, so that nothing is made in its place.
                database.isShown = Files.exists(database.path(.database))
            }
        }
        state.withLock { $0.databases[name] = database }
        return database
    }

    // MARK: - The node

    /// Whether this node is the primary.
    public var isPrimary: Bool { context.options.isPrimary }

    /// Whether this node may have the other role later, with the same programs on its mount.
    public var roleMayChange: Bool { context.options.roleMayChange }

    /// Whether this node is the primary, and may acknowledge commits now.
    public var mayCommit: Bool { context.mayCommit }

    /// Whether a name in the root folder of the mount is never a database's (`data.local`).
    public func staysLocal(_ name: String) -> Bool { context.options.localNames.contains(name) }

    /// Whether a name in the root folder is listed by `data.local` itself.
    public func isListedLocal(_ name: String) -> Bool { context.options.localNames.matches(name) }

    /// Identity of this process, as written into transaction files and the `Litefs-Id` header.
    public var nodeID: UInt64 { context.options.nodeID }

    /// The data directory.
    public var dataDirectory: String { context.options.dataDirectory }

    /// The cluster that the data belongs to; nil on a replica that was never connected.
    public var clusterID: ClusterID? { state.withLock { $0.clusterID } }

    /// Takes on a cluster ID and puts it on disk.
    public func adopt(clusterID: ClusterID) throws(StoreError) {
        try clusterID.save(to: context.options.dataDirectory)
        state.withLock { $0.clusterID = clusterID }
    }

    /// Whether a thread is one of this process that works on the own mount.
    public func isOwn(thread: Int32) -> Bool { context.ownThreads.contains(thread) }

    /// A thread for I/O through the own mount, whose root folder is `root`.
    package func mountThread(_ name: String, root: Int32) -> MountThread {
        MountThread(name, root: root, ownThreads: context.ownThreads)
    }

    /// Adds somebody who wants to know about changes.
    public func add(_ observer: any StoreObserver) { context.add(observer) }

    // MARK: - Databases

    /// All databases, dropped ones included, in the order of their names.
    public var databases: [Database] {
        state.withLock { Array($0.databases.values) }.sorted { $0.name < $1.name }
    }

    /// The database of a name, also when it is dropped.
    public func database(_ name: DatabaseName) -> Database? { state.withLock { $0.databases[name] } }

    /// The database of a name, made empty when there is none.
    public func databaseOrNew(_ name: DatabaseName) throws(StoreError) -> Database {
        if let database = database(name) { return database }
        let folder = context.options.dataDirectory + "/dbs/" + name.text
        do throws(Errno) {
            try FaultPoint.namesFolderCreate.pass()
            try Files.makeDirectories(folder, synchronize: true)
        } catch {
            throw .file(FileError("create", folder, error))
        }
        return try openDatabase(name)
    }

    /// Waits until every transaction is in the log, at most until `deadline`.
    public func awaitRecords(until deadline: MonotonicTime) {
        for database in databases {
            while database.storedPosition != database.announcedPosition || database.wantsReconcile,
                MonotonicTime.now < deadline
            {
                pause(.milliseconds(1))
            }
        }
    }

    /// Whether databases that nobody has opened yet were left in good order, by a daemon that knew what they hold.
    public static func isContentCertain(in dataDirectory: String, isTakeover: Bool) -> Bool {
        let mark = isTakeover ? Database.handoverName : Database.checksumsName
        for entry in (try? Files.list(dataDirectory + "/dbs")) ?? [] where entry.isDirectory {
            let folder = dataDirectory + "/dbs/" + entry.name
            if Files.exists(folder + "/database"), !Files.exists(folder + "/" + mark) { return false }
        }
        return true
    }

    /// `Database.hasBeen` for a database that nobody has opened yet.
    public static func hasBeen(at position: Position, _ name: DatabaseName, in dataDirectory: String) -> Bool
    {
        guard let log = try? TransactionLog(directory: dataDirectory + "/dbs/\(name)/ltx") else {
            return false
        }
        return log.hasBeen(at: position, madeHere: Set(PrimaryRuns.nodeIDs(in: dataDirectory)))
    }

    /// What the transaction files of a data directory say, whose databases nobody has opened yet.
    ///
    /// A commit that SQLite's log has and no file yet is not counted.
    public static func recordedPositions(in dataDirectory: String) -> [DatabaseName: Position] {
        var positions: [DatabaseName: Position] = [:]
        for entry in (try? Files.list(dataDirectory + "/dbs")) ?? [] where entry.isDirectory {
            guard let name = try? DatabaseName(entry.name) else { continue }
            positions[name] = TransactionLog.newestPosition(in: dataDirectory + "/dbs/\(name)/ltx")
        }
        return positions
    }

    // MARK: - Life

    /// Begins to work through the mount whose root folder is `mount`, before anybody else can see it.
    public func start(mount: Int32, path: String) {
        context.mount = mount
        context.mountPath = path
        if isPrimary {
            let reconciler = Reconciler(context) { [weak self] in self?.databases ?? [] }
            let logKeeper = LogKeeper(context) { [weak self] in self?.databases ?? [] }
            let misuseWatch = MisuseWatch(context) { [weak self] in self?.databases ?? [] }
            state.withLock { state in
                (state.reconciler, state.logKeeper, state.misuseWatch) = (reconciler, logKeeper, misuseWatch)
            }
            if databases.contains(where: \.wantsReconcile) { context.reconcileRequests.ring() }
        } else {
            for database in databases {
                do throws(StoreError) {
                    try database.startReplica()
                } catch {
                    database.locked { database.fail("cannot be opened on the mount: \(error)") }
                }
            }
        }
    }

    /// Begins to remove old transaction files, each `interval`.
    public func startRetention(interval: Duration) {
        guard interval > .zero, context.options.retention > .zero else { return }
        let retention = Retention(interval: interval) { [weak self] in self?.enforceRetention() }
        state.withLock { $0.retention = retention }
    }

    /// Removes transaction files that are older than the retention time.
    ///
    /// Where the lease may move, only while this node is the primary for certain, or has heard from it: what a former primary has and the
    /// new one has not is in these files alone (L6).
    public func enforceRetention() {
        if context.options.roleMayChange {
            guard context.mayCommit || !isPrimary && hasFollowed.load(ordering: .relaxed) else { return }
        }
        let cutoff = WallClock.milliseconds - context.options.retention.nanoseconds / 1_000_000
        for database in databases {
            do throws(Errno) {
                let removed = try database.log.enforceRetention(olderThan: cutoff)
                database.counters.reaped.increment(by: UInt64(removed))
            } catch {
                context.logger.warning(
                    "database \"\(database.name)\": cannot remove old transaction files: \(error)"
                )
            }
        }
    }

    /// Notes that everything that the primary had has come.
    public func noteFollowed() { hasFollowed.store(true, ordering: .relaxed) }

    /// Receives nothing more from the primary.
    public func refuseReceiving() {
        for database in databases { database.refuseReceiving() }
    }

    /// Ends all work through the mount and closes the own descriptors on it.
    public func stop() {
        let (reconciler, logKeeper, misuseWatch, retention) = state.withLock { state in
            defer {
                (state.reconciler, state.logKeeper, state.misuseWatch, state.retention) = (nil, nil, nil, nil)
            }
            return (state.reconciler, state.logKeeper, state.misuseWatch, state.retention)
        }
        misuseWatch?.stop()
        logKeeper?.stop()
        reconciler?.stop()
        retention?.stop()
        for database in databases { database.finishWriting() }
        for database in databases { database.stopReplica() }
        context.mount = nil
    }

    /// Stores what is queued and saves the checksums.
    ///
    /// Call after the mount's requests have ended.
    public func close() {
        for database in databases { database.close() }
    }

    /// The same, for a process that goes on with the mount: nothing has to be on disk for it.
    public func handOver() {
        for database in databases { database.close(handingOver: true) }
    }
}

/// The thread that enforces retention.
private final class Retention: Sendable {
    private let isStopping = Guarded(false)
    private let thread: Thread

    init(interval: Duration, _ body: @escaping @Sendable () -> Void) {
        let stopping = isStopping
        thread = Thread("retention") {
            while true {
                let stop = stopping.withLock { flag in
                    let deadline = MonotonicTime.now + interval
                    while !flag.pointee, stopping.wait(until: deadline) {}
                    return flag.pointee
                }
                if stop { return }
                body()
            }
        }
    }

    func stop() {
        isStopping.withLock { $0.pointee = true }
        isStopping.wakeAll()
        thread.join()
    }
}
