import Config
import HTTP
import Lease
import Logging
import Metrics
import POSIX

/// A node, made from its settings: what there is in it, and the order in which it starts.
///
/// `Node+Steps.swift` has the steps.
public struct Node: Sendable {
    let config: Config
    let keepsMounts: Bool
    let logger: Logger
    let metrics = MetricsRegistry()
    /// The supervisor of this process, which keeps what the next daemon needs; nil when the node is one process alone.
    let link: SupervisorLink?
    /// Tells this run of this node from all others, in LTX files, streams and answers.
    let id: UInt64

    /// Makes a node; nothing runs until `start`.
    ///
    /// - Parameters:
    ///   - config: Settings that were checked.
    ///   - keepsMounts: Whether what is mounted at `fuse.dir` stays, as `-skip-unmount` asks for.
    ///   - link: The supervisor, if there is one.
    ///   - logger: For everything the node has to say.
    public init(config: Config, keepsMounts: Bool, link: SupervisorLink? = nil, logger: Logger) {
        self.link = link
        self.config = config
        self.keepsMounts = keepsMounts
        self.logger = logger
        id = .random(in: 1 ... .max)
    }

    /// The id in 16 hex digits, as peers and log lines have it.
    var idText: String {
        let digits = String(id, radix: 16, uppercase: true)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// What a session of this node is for: another daemon goes on with it only when it says the same.
    func sessionDescription(_ lease: NodeLease) -> String {
        let role = lease.roleMayChange ? "primary or replica" : lease.isPrimary ? "primary" : "replica"
        return "data.dir \(config.data.dir)\nfuse.dir \(config.fuse.dir)\n\(role)"
    }

    /// Starts the parts in order and returns when the node is ready for the application.
    ///
    /// - Parameter parts: Where each part is noted once it runs; what was started before a failure is stopped by it.
    /// - Throws: `StartError`.
    public func start(_ parts: Parts) throws {
        ProcessMetrics.register(in: metrics)
        let lease = try makeLease(parts)
        if lease.isPrimary {
            metrics.gauge("litefs_lag_seconds", help: "How far this node is behind the primary.") { 0 }
        }
        let inherited = try parts.run("go on with the mount") { try inherit(lease) }
        settle(lease, isTakeover: inherited != nil)
        let server = try listen(parts)
        let store = try openStore(lease, parts, inherited)
        try checkContent(store, lease, parts)
        if inherited == nil {
            outwaitEarlierMounts(store)
            store.noteHidden(try prepareMountFolder(parts))
        }
        let state = NodeState(lease, mountPath: config.fuse.dir)
        try mount(store, state, lease, inherited, parts)
        link?.send(LinkMessage(.serving))
        let streams = try startStreams(store, parts)
        let events = try startEvents(store, lease, parts)
        try serve(server, api(store, state, streams, events).handle, parts)
        let readiness = try Readiness()
        if lease.isPrimary {
            readiness.reach()
            try checkPrimary(lease, parts)
        } else {
            try follow(store, state, lease, readiness, events, parts)
        }
        try keepLease(lease, store, streams, parts)
        try waitForCluster(readiness, parts)
    }

    /// The session that an earlier daemon left, if this one is to go on with it.
    private func inherit(_ lease: NodeLease) throws -> InheritedSession? {
        guard let link, try link.begin(sessionDescription(lease)) else { return nil }
        return link.takeInherited()
    }
}
