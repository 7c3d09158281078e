import POSIX

/// A small network for nodes, apart from all others: a bridge, and a port with a namespace of its own for each node.
///
/// The bridge stands in a namespace too, with an address at which programs between the nodes can listen.
package final class TestNetwork: Sendable {
    /// The address at the bridge.
    package static let hubAddress = "10.77.0.1"

    /// By itself a bridge takes over the lowest one of its ports, and nobody finds it for a while when a port comes or goes.
    private static let hubHardwareAddress = "02:00:00:00:00:01"

    /// The namespace of the bridge.
    package let hub: NetworkNamespace
    private let folder: TestFolder

    /// Makes the bridge.
    package init() throws {
        folder = try TestFolder()
        hub = try NetworkNamespace()
        // Without a spanning tree a port works from the moment it is there.
        try configure(
            hub,
            [
                "link set lo up", "link add hub address \(Self.hubHardwareAddress) type bridge stp_state 0",
                "addr add \(Self.hubAddress)/24 dev hub",
                "link set hub up",
            ]
        )
    }

    /// Makes a port.
    ///
    /// - Parameter number: From 2 to 254, the end of its address.
    /// - Returns: The port, connected.
    /// - Throws: When the system refuses.
    package func port(_ number: Int) throws -> NetworkPort {
        let port = try NetworkPort(number, in: self)
        try configure(
            hub,
            ["link add \(port.name) type veth peer name eth0 netns \(port.namespace.path)"]
        )
        try configure(
            port.namespace,
            ["link set lo up", "addr add \(port.address)/24 dev eth0", "link set eth0 up"]
        )
        try configure(hub, ["link set \(port.name) master hub up"])
        return port
    }

    /// Runs commands of `ip` in a namespace.
    func configure(_ namespace: NetworkNamespace, _ commands: [String]) throws {
        let outcome = try Outcome.of(
            namespace.entering + ["ip", "-batch", "-"],
            input: commands.joined(separator: "\n") + "\n",
            in: folder.path
        )
        try check(outcome.exit == .code(0), "ip \(commands): \(outcome.errors)\(outcome.output)")
    }
}

/// A node's place in a `TestNetwork`.
package final class NetworkPort: Sendable {
    /// Which packets are lost without a word.
    package enum Loss: String, CaseIterable, Sendable {
        /// Those from the port and to it.
        case both
        /// Those from the port.
        case outgoing
        /// Those to the port from one other port.
        case incoming
    }

    /// The namespace of the node.
    package let namespace: NetworkNamespace
    /// Its address.
    package let address: String
    let name: String
    private let network: TestNetwork

    fileprivate init(_ number: Int, in network: TestNetwork) throws {
        namespace = try NetworkNamespace()
        address = "10.77.0.\(number)"
        name = "port\(number)"
        self.network = network
    }

    /// Pulls the cable: the node's interface has no carrier any more.
    package func cut() throws { try network.configure(network.hub, ["link set \(name) down"]) }

    /// Puts the cable in again.
    package func connect() throws { try network.configure(network.hub, ["link set \(name) up"]) }

    /// Loses packets from this port to an address without a word, or no longer: other nodes are reached as before.
    package func lose(to address: String, _ isLost: Bool) throws {
        try network.configure(namespace, ["route \(isLost ? "add" : "del") blackhole \(address)"])
    }

    /// Loses packets between this port and another while all interfaces stay up.
    package func lose(_ loss: Loss, to other: NetworkPort) throws {
        switch loss {
        case .both: try network.configure(network.hub, ["link set \(name) nomaster"])
        case .outgoing: try network.configure(namespace, ["route add blackhole \(other.address)"])
        case .incoming: try network.configure(other.namespace, ["route add blackhole \(address)"])
        }
    }

    /// Ends the loss.
    package func recover(_ loss: Loss, to other: NetworkPort) throws {
        switch loss {
        case .both: try network.configure(network.hub, ["link set \(name) master hub"])
        case .outgoing: try network.configure(namespace, ["route del blackhole \(other.address)"])
        case .incoming: try network.configure(other.namespace, ["route del blackhole \(address)"])
        }
    }
}
