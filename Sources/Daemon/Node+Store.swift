import FUSE
import HTTP
import HTTPAPI
import Logging
import Metrics
import Mount
import POSIX
import Replication
import Store

// The parts that have to do with databases.
extension Node {
    /// Opens the data directory and recovers what is in it.
    func openStore(
        _ lease: NodeLease,
        _ parts: Parts,
        _ inherited: InheritedSession?
    ) throws(StartError) -> Store {
        let options = StoreOptions(
            dataDirectory: config.data.dir,
            isPrimary: lease.isPrimary,
            permit: lease.permit,
            roleMayChange: lease.roleMayChange,
            compress: config.data.compress,
            retention: config.data.retention.duration,
            nodeID: id,
            localNames: LocalNames(config.data.local),
            isTakeover: inherited != nil,
            logsPass: inherited?.logsPass ?? false,
            // One that recovered the same folder a moment ago is this process.
            endOfEarlier: lease.roleMayChange ? max(endOfEarlier, .seconds(1)) : endOfEarlier
        )
        try recoverAsPrimary(options, parts)
        let link = link
        let store = try parts.start("open the data directory", undoing: "close the databases") {
            try Store(options: options, logger: logger, registry: metrics)
        } stop: {
            if link?.isHandingOver == true { $0.handOver() } else { $0.close() }
        }
        store.setKeeper(link)
        if let clusterID = store.clusterID { logger.info("using existing cluster id: \"\(clusterID)\"") }
        return store
    }

    /// Records what this node committed when it was the primary, and did not live to record, before it follows another one (L6).
    ///
    /// SQLite's log may have it alone.
    private func recoverAsPrimary(_ options: StoreOptions, _ parts: Parts) throws(StartError) {
        guard options.roleMayChange, !options.isPrimary,
            PrimaryRuns.hasLeftContent(in: options.dataDirectory)
        else { return }
        try parts.run("recover the content of the former primary") { () throws in
            var former = options
            former.isPrimary = true
            former.endOfEarlier = max(endOfEarlier, .seconds(1))
            let store = try Store(options: former, logger: logger, registry: MetricsRegistry())
            store.stop()
            let troubles = store.databases.compactMap { database in
                database.unrecordedReason.map { "database \"\(database.name)\": \($0)" }
            }
            if options.isTakeover { store.handOver() } else { store.close() }
            guard troubles.isEmpty || options.isTakeover else {
                throw StartError.failed(
                    step: "record what this node committed when it was the primary",
                    reason: troubles.joined(separator: "; ")
                        + "; it does not follow another primary before that is done, because the commits would be lost"
                )
            }
            for trouble in troubles { logger.error("commits of the former primary may be lost: \(trouble)") }
            try PrimaryRuns.recovered(in: options.dataDirectory)
        }
    }

    /// Waits until no program takes a database file of an earlier mount for one that lives.
    ///
    /// The daemon of that mount is gone, because the data directory is ours; what the kernel knew of its files is believed a little
    /// longer. Its dead mount must stay until then: it keeps programs from all names. A node without databases had none that
    /// programs could take for another.
    func outwaitEarlierMounts(_ store: Store) {
        if store.databases.isEmpty, MountFolder.isFree(config.fuse.dir) { return }
        let end = store.owned + MountedFileSystem.databaseMemory
        pause(max(.zero, end - MonotonicTime.now))
    }

    /// Mounts the store's databases at `fuse.dir`.
    ///
    /// They are set up before anybody else can see them.
    func mount(
        _ store: Store,
        _ state: NodeState,
        _ lease: NodeLease,
        _ inherited: InheritedSession?,
        _ parts: Parts
    ) throws(StartError) {
        let (fileSystem, memory) = try parts.run("set up the file system") {
            let memory = try inherited?.memory ?? SessionMemory(description: sessionDescription(lease))
            let fileSystem = try MountedFileSystem(
                store,
                node: state,
                memory: memory,
                keeper: link,
                logger: logger
            )
            if let inherited { fileSystem.takeOver(memory, kept: inherited.kept) }
            return (fileSystem, memory)
        }
        let dir = config.fuse.dir
        let session = try mount(
            fileSystem,
            lease,
            memory: memory,
            inherited: inherited,
            isOwn: { store.isOwn(thread: $0) },
            setUp: { session in
                try decidePassthrough(session, fileSystem, lease, store)
                store.start(mount: session.root, path: dir)
                store.add(fileSystem.announcer)
                fileSystem.announcer.start(root: session.root) { session.invalidate(name: $0, in: $1) }
            },
            tearDown: { isLeft in
                fileSystem.announcer.stop()
                store.stop()
                if !isLeft { fileSystem.leave() }
            },
            parts
        )
        let counters = session.counters
        metrics.collect("litefs_fuse_requests_total", help: "Requests of the kernel.", kind: .counter) {
            counters.all.map { MetricSample(Double($0.count), labels: ["op": $0.operation]) }
        }
        if inherited != nil {
            fileSystem.forgetEarlier(
                name: { session.invalidate(name: $0, in: 1) },
                content: { session.invalidate($0) }
            )
        }
        let notifier = MountNotifier(session)
        store.add(notifier)
        _ = try parts.start("start retention", undoing: "forget the mount") {
            store.startRetention(interval: config.data.retentionMonitorInterval.duration)
            state.setMounted(true)
            return notifier
        } stop: {
            state.setMounted(false)
            $0.stop()
        }
    }

    /// Lets logs and wal-indexes pass through where the configuration, the kernel and the data directory allow it.
    private func decidePassthrough(
        _ session: FUSESession,
        _ fileSystem: MountedFileSystem,
        _ lease: NodeLease,
        _ store: Store
    ) throws {
        guard lease.isPrimary, config.fuse.passthrough != "off" else { return }
        guard !lease.roleMayChange else {
            return logger.info(
                "SQLite's logs do not pass through the mount, which is slower: writes must be refused when the lease is lost"
            )
        }
        let isForced = config.fuse.passthrough == "on"
        let support = try store.withProbeFile { file, canFence -> PassthroughSupport in
            guard canFence || isForced else {
                return .unavailable(
                    "the file system of the data directory cannot keep programs that outlive a mount from their log"
                )
            }
            return session.passthrough(to: file)
        }
        switch support {
        case .available:
            fileSystem.allowPassthrough()
            logger.info("SQLite's logs pass through the mount; their commits are followed")
        case .unavailable(let reason):
            guard !isForced else { throw PassthroughError(reason: reason) }
            logger.info("SQLite's logs do not pass through the mount, which is slower: \(reason)")
        }
    }

    /// Makes the server of streams to replicas.
    func startStreams(_ store: Store, _ parts: Parts) throws(StartError) -> StreamServer {
        var options = StreamServer.Options()
        options.compressesSnapshots = config.data.compress
        return try parts.start("start streams", undoing: "end streams") {
            let server = StreamServer(source: store, logger: logger, registry: metrics, options: options)
            store.add(server)
            return server
        } stop: {
            $0.stop()
        }
    }

    /// Begins to tell listeners what happens.
    func startEvents(_ store: Store, _ lease: NodeLease, _ parts: Parts) throws(StartError) -> EventHub {
        try parts.start("start events", undoing: "end events") {
            let events = EventHub(isPrimary: lease.isPrimary, logger: logger)
            store.add(events)
            return events
        } stop: {
            $0.end()
        }
    }

    /// Follows the primary.
    func follow(
        _ store: Store,
        _ state: NodeState,
        _ lease: NodeLease,
        _ readiness: Readiness,
        _ events: EventHub,
        _ parts: Parts
    ) throws(StartError) {
        var options = StreamClient.Options(primary: lease.primary)
        options.reconnectDelay = config.lease.reconnectDelay.duration
        let filter = config.lease.databases
        options.databases = try parts.run("read lease.databases") {
            filter.isEmpty ? nil : Set(try filter.map { try DatabaseName($0) })
        }
        let client = StreamClient(
            options: options,
            target: store,
            logger: logger,
            registry: metrics,
            events: StreamClient.Events(
                connectionChanged: { isConnected in
                    events.primaryChanged(hostname: isConnected ? lease.primary?.hostname : nil)
                    if !isConnected { lease.wake() }
                },
                ready: {
                    store.noteFollowed()
                    readiness.reach()
                }
            )
        )
        state.follow(client)
        if lease.isMoving { lease.lead(client) }
        _ = try parts.start("follow the primary", undoing: "leave the primary") {
            client.start()
            return client
        } stop: { client in
            client.cancel()
            store.refuseReceiving()
            client.stop()
        }
    }
}

/// Tells the kernel when a replica's database appears or goes: what it remembers of the names is no longer true.
final class MountNotifier: StoreObserver {
    private let session: FUSESession
    private let isStopped = Guarded(false)

    init(_ session: FUSESession) {
        self.session = session
    }

    func transactionsAppeared(in database: Database) {}

    func visibilityChanged(of database: Database) {
        if isStopped.withLock({ $0.pointee }) { return }
        for suffix in [""] + DatabaseName.suffixes {
            session.invalidate(name: database.name.text + suffix, in: 1)
        }
    }

    func stop() { isStopped.withLock { $0.pointee = true } }
}
