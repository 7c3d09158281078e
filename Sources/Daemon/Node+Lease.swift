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
        return try parts.run("find out who is the primary") {
            let candidacy = try Self.candidacy(config)
            let service = try KubernetesLease(Self.options(config))
            // Whoever stops the node now does not wait for an answer; later the lease is given up with it.
            let isBeginning = Guarded(true)
            defer { isBeginning.withLock { $0.pointee = false } }
            stopRequest.onRequest { if isBeginning.withLock({ $0.pointee }) { service.cancel() } }
            logger.info(
                "Using Kubernetes lease: \(service.name) hostname=\(candidacy.hostname) advertise-url=\(candidacy.advertiseURL) "
                    + "candidate=\(candidacy.isCandidate)"
            )
            return NodeLease(
                service,
                candidacy,
                local: Store.recordedState(in: config.data.dir),
                nodeID: id,
                logger: logger,
                isStopping: { stopRequest.isRequested }
            )
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

    /// Keeps the lease, or looks for one that is free, from now on.
    ///
    /// Started last, so that it is ended first: a primary gives the lease up while its streams can still carry the last transactions.
    func keepLease(
        _ lease: NodeLease,
        _ store: Store,
        _ streams: StreamServer,
        _ parts: Parts
    ) throws(StartError) {
        guard lease.isMoving else { return }
        metrics.gauge("litefs_lease_valid_seconds", help: "For how long commits may be acknowledged.") {
            lease.isPrimary ? lease.permit.remaining.seconds : 0
        }
        metrics.collect(
            "litefs_lease_errors_total",
            help: "Requests about the lease that failed.",
            kind: .counter
        ) { [MetricSample(Double(lease.errorCount), labels: [:])] }
        let (logger, link) = (logger, link)
        _ = try parts.start("keep the lease", undoing: "hand the lease over") {
            lease.start({ store.leaseState }) { role in
                logger.info("this node is to be the \(role): its daemon is replaced")
                link?.send(LinkMessage(.replace, "this node becomes the \(role)"))
            }
            return lease
        } stop: { lease in
            guard lease.isPrimary, link?.isHandingOver != true else { return lease.stop() }
            Self.handOver(lease, store, streams)
        }
    }

    /// How long the last transactions may take to be stored and sent before the lease is given up.
    private static let handOverPatience = Duration.seconds(3)

    /// Gives the lease up so that the next primary has everything (L5), and tells replicas so by the end of their streams.
    private static func handOver(_ lease: NodeLease, _ store: Store, _ streams: StreamServer) {
        lease.permit.end()
        let deadline = MonotonicTime.now + handOverPatience
        store.awaitRecords(until: deadline)
        _ = streams.drain(deadline: deadline)
        lease.stop(releasing: store.leaseState)
        streams.stop()
    }
}

extension Store {
    /// What the lease has to know of this node.
    fileprivate var leaseState: LocalState {
        var positions: [String: Position] = [:]
        for database in databases where database.announcedPosition.txid != .zero {
            positions[database.name.text] = database.announcedPosition
        }
        return LocalState(positions: positions, clusterID: clusterID?.description ?? "")
    }

    /// The same for a data directory whose databases are not open yet, as far as the transaction files say it.
    fileprivate static func recordedState(in dataDirectory: String) -> LocalState {
        let (positions, clusterID) = recorded(in: dataDirectory)
        return LocalState(
            positions: Dictionary(uniqueKeysWithValues: positions.map { ($0.key.text, $0.value) }),
            clusterID: clusterID?.description ?? ""
        )
    }
}
