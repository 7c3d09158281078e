import Config
import LTX
import Lease
import Metrics
import POSIX
import Replication
import Store

// Who is the primary: found out before anything else, because every other part depends on it.
extension Node {
    /// Finds out what this process is.
    func makeLease(_ parts: Parts) throws(StartError) -> NodeLease {
        guard config.lease.type == "kubernetes" else {
            let lease = StaticLease(
                candidate: config.lease.candidate,
                hostname: config.lease.hostname,
                advertiseURL: config.lease.advertiseURL
            )
            logger.info(lease.startText)
            if lease.isPrimary { logger.info(lease.roleText(nodeID: idText)) }
            return NodeLease(static: lease)
        }
        guard link != nil else {
            throw .failed(
                step: "use lease.type kubernetes",
                reason:
                    "the node has to be able to change its role, which LITEFS_SUPERVISOR=off does not allow: remove that variable"
            )
        }
        let (config, logger, id, stopRequest) = (config, logger, idText, parts.stopRequest)
        return try parts.start("find out who is the primary", undoing: "leave the lease") {
            let candidacy = try Self.candidacy(config)
            let service = try KubernetesLease(Self.options(config))
            // Whoever stops the node now does not wait for an answer.
            let isBeginning = Guarded(true)
            defer { isBeginning.withLock { $0.pointee = false } }
            stopRequest.onRequest { if isBeginning.withLock({ $0.pointee }) { service.interrupt() } }
            logger.info(
                "Using Kubernetes lease: \(service.name) hostname=\(candidacy.hostname) advertise-url=\(candidacy.advertiseURL) "
                    + "candidate=\(candidacy.isCandidate)"
            )
            let clusterID = ((try? ClusterID.load(from: config.data.dir)) ?? nil)?.description ?? ""
            return NodeLease(
                service,
                candidacy,
                clusterID: clusterID,
                local: { Self.recordedState(in: config.data.dir, clusterID) },
                nodeID: id,
                logger: logger,
                isStopping: { stopRequest.isRequested }
            )
        } stop: {
            $0.halt()
        }
    }

    private static func candidacy(_ config: Config) throws -> Candidacy {
        let name = CurrentProcess.environment("HOSTNAME") ?? ""
        let hostname = config.lease.hostname.isEmpty ? name : config.lease.hostname
        let pod = config.lease.kubernetes.pod
        return Candidacy(
            identity: try LeaseIdentity.ofThisNode(hostname: hostname, dataDirectory: config.data.dir),
            hostname: hostname,
            advertiseURL: config.lease.advertiseURL,
            pod: pod.isEmpty ? name : pod,
            isCandidate: config.lease.candidate,
            duration: config.lease.kubernetes.duration.duration
        )
    }

    private static func options(_ config: Config) -> KubernetesLease.Options {
        let settings = config.lease.kubernetes
        var options = KubernetesLease.Options(name: settings.name)
        options.namespace = settings.namespace
        options.url = settings.url
        options.tokenFile = settings.tokenFile
        options.caFile = settings.caFile
        // An answer that does not come leaves time to ask again before the permit ends.
        options.requestLimit = min(.seconds(5), max(.seconds(1), settings.duration.duration / 5))
        return options
    }

    /// Settles what this process is, and begins to renew the lease of a primary, whose databases may take long to open.
    ///
    /// Invariant (L8): a primary begins with content that was the primary's, or that a replica left in good order. Whatever else is here is first
    /// looked at as a replica does it, which believes its records more than its files.
    func settle(_ lease: NodeLease, isTakeover: Bool) {
        guard lease.isMoving, lease.isPrimary else { return }
        if PrimaryRuns.hasLeftContent(in: config.data.dir)
            || Store.isContentCertain(in: config.data.dir, isTakeover: isTakeover)
        {
            return startLease(lease)
        }
        logger.info(
            "this node has the lease, and looks at its databases as a replica first: it did not stop in order"
        )
        lease.followFirst()
    }

    private func startLease(_ lease: NodeLease) {
        let (logger, link) = (logger, link)
        lease.start { role in
            logger.info("this node is to be the \(role): its daemon is replaced")
            link?.send(LinkMessage(.replace, "this node becomes the \(role)"))
        }
    }

    /// Compares what a primary has with what its lease says that it has (L5), and gives the lease up when the node ends from now on.
    ///
    /// Not before: a process that could not get the data directory may have the name of one that has it, and that is the primary (L4).
    func checkContent(_ store: Store, _ lease: NodeLease, _ parts: Parts) throws(StartError) {
        guard lease.isMoving else { return }
        let link = link
        _ = try parts.start("hold the lease", undoing: "give the lease up") {
            lease.know { store.leaseState }
            return lease
        } stop: { lease in
            lease.halt()
            if link?.isHandingOver != true { lease.release(LocalState()) }
        }
        if lease.isPrimary, let obstacle = lease.contentObstacle(store.leaseState) {
            throw .failed(step: "go on as the primary", reason: obstacle)
        }
    }

    /// Keeps the lease, or looks for one that is free, until the node stops.
    ///
    /// Started last, so that it is ended first: a primary gives the lease up while its streams can still carry the last transactions.
    func keepLease(
        _ lease: NodeLease,
        _ store: Store,
        _ streams: StreamServer,
        _ parts: Parts
    ) throws(StartError) {
        guard lease.isMoving else { return }
        metrics.gauge(
            "litefs_lease_valid_seconds",
            help: "For how long commits may be acknowledged; 0 on a replica."
        ) {
            lease.isPrimary ? lease.permit.remaining?.seconds ?? 0 : 0
        }
        metrics.collect(
            "litefs_lease_errors_total",
            help: "Requests about the lease that failed.",
            kind: .counter
        ) { [MetricSample(Double(lease.errorCount), labels: [:])] }
        let link = link
        _ = try parts.start("keep the lease", undoing: "hand the lease over") {
            if !lease.isPrimary { startLease(lease) }
            return lease
        } stop: { lease in
            guard lease.isPrimary, link?.isHandingOver != true else { return lease.halt() }
            Self.handOver(lease, store, streams)
        }
    }

    /// How long the last transactions may take to be stored and sent before the lease is given up.
    private static let handOverPatience = Duration.seconds(3)

    /// Gives the lease up so that the next primary has everything (L5), and tells replicas so by the end of their streams.
    ///
    /// Invariant: the permit is closed, and nobody renews any more, before the positions are read that the next one must have.
    private static func handOver(_ lease: NodeLease, _ store: Store, _ streams: StreamServer) {
        lease.permit.close()
        lease.halt()
        let deadline = MonotonicTime.now + handOverPatience
        store.awaitRecords(until: deadline)
        _ = streams.drain(deadline: deadline)
        var final = store.leaseState
        // What could not be stored is the last of them all the same: nobody else has it.
        for database in store.databases where database.announcedPosition.txid != .zero {
            final.positions?[database.name.text] = database.announcedPosition
        }
        lease.release(final)
        streams.stop()
    }

    /// What a data directory says whose databases are not open yet.
    private static func recordedState(in dataDirectory: String, _ clusterID: String) -> LocalState {
        let positions = Store.recordedPositions(in: dataDirectory)
        return LocalState(
            positions: Dictionary(uniqueKeysWithValues: positions.map { ($0.key.text, $0.value) }),
            clusterID: clusterID,
            hasBeen: { name, position in
                guard let name = try? DatabaseName(name) else { return false }
                return Store.hasBeen(at: position, name, in: dataDirectory)
            }
        )
    }
}

extension Store {
    /// What the lease has to know of this node; asking waits for no database.
    fileprivate var leaseState: LocalState {
        var positions: [String: Position] = [:]
        for database in databases { positions[database.name.text] = database.log.newestPosition }
        return LocalState(
            positions: positions,
            clusterID: clusterID?.description ?? "",
            doubtful: isPrimary ? nil : databases.first(where: \.isDoubtful)?.name.text,
            hasBeen: { [weak self] name, position in
                guard let self, let name = try? DatabaseName(name), let database = self.database(name) else {
                    return false
                }
                return database.hasBeen(at: position)
            }
        )
    }
}
