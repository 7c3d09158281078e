import HTTPAPI
import Mount
import POSIX
import Replication
import Store
import Synchronization

/// What the node tells about itself: on the mount by special files, over HTTP by `/info` and the health checks.
final class NodeState: NodeStatus, NodeView {
    private struct State {
        var client: StreamClient?
        var isMounted = false
    }

    let mountPath: String
    private let lease: NodeLease
    private let state = Mutex(State())

    init(_ lease: NodeLease, mountPath: String) {
        self.lease = lease
        self.mountPath = mountPath
    }

    /// Notes the client that knows about the primary.
    func follow(_ client: StreamClient) { state.withLock { $0.client = client } }

    /// Notes whether the databases are mounted.
    func setMounted(_ isMounted: Bool) { state.withLock { $0.isMounted = isMounted } }

    private var client: StreamClient? { state.withLock { $0.client } }

    var isMounted: Bool { state.withLock { $0.isMounted } }

    var isCandidate: Bool { lease.isCandidate }

    var primaryHostname: String? {
        guard let client, client.status.isConnected else { return nil }
        return lease.primary?.hostname
    }

    var connectionError: String? { client?.status.lastError }

    var leaseProblem: String? { lease.problem }

    var lag: Lag { lease.isPrimary ? .none : client?.lag ?? .unknown }

    func lag(of name: DatabaseName) -> Lag { lease.isPrimary ? .none : client?.lag(of: name) ?? .unknown }

    var isPrimary: Bool { lease.isPrimary && lease.permit.holds }

    var connectedPrimary: String? { primaryHostname }

    var lagMilliseconds: Int64 { Int64(lag.milliseconds) }

    func lagMilliseconds(of name: DatabaseName) -> Int64? {
        let lag = lag(of: name)
        return lag.isKnown ? Int64(lag.milliseconds) : nil
    }

    var lastPrimaryMilliseconds: Int64 {
        let lag = lag
        return lag.isKnown ? WallClock.milliseconds - Int64(lag.milliseconds) : 0
    }
}
