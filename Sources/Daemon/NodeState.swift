import Mount
import POSIX
import Replication
import Synchronization

/// What the mount's special files tell about the node.
final class NodeState: NodeStatus {
    private struct State {
        var client: StreamClient?
        var lastContact: Int64 = 0
    }

    private let isPrimary: Bool
    private let primaryHostname: String
    private let state = Mutex(State())

    init(isPrimary: Bool, primaryHostname: String) {
        self.isPrimary = isPrimary
        self.primaryHostname = primaryHostname
    }

    /// Notes the client that knows about the primary.
    func follow(_ client: StreamClient) { state.withLock { $0.client = client } }

    private var client: StreamClient? { state.withLock { $0.client } }

    var connectedPrimary: String? {
        guard !isPrimary, let client, client.status.isConnected else { return nil }
        return primaryHostname
    }

    var lagMilliseconds: Int64 {
        if isPrimary { return 0 }
        return Int64((client?.lag ?? .unknown).milliseconds)
    }

    var lastPrimaryMilliseconds: Int64 {
        let lag = lagMilliseconds
        return lag == Int64(Lag.maximum.self) ? 0 : WallClock.milliseconds - lag
    }
}
