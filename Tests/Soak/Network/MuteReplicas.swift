import Glibc
import Harness
import POSIX

/// Peers that ask for a stream as new replicas do, and then read nothing of it, or little.
final class MuteReplicas: Sendable {
    private final class Peer: Sendable {
        let socket: Socket

        init(_ address: SocketAddress) throws(Errno) { socket = try Socket.connect(to: address) }

        func send(_ bytes: [UInt8]) throws {
            let memory = Buffer(count: bytes.count)
            memory.bytes.copyBytes(from: bytes)
            try socket.send(UnsafeRawBufferPointer(memory.bytes))
        }
    }

    private let peers: [Peer]

    /// Connects from a namespace.
    init(_ count: Int, in namespace: NetworkNamespace, to node: DaemonProcess) throws {
        let (host, port) = (node.settings.host, node.settings.port)
        let address = try required(SocketAddress.resolve(host: host, port: port).first, "an address")
        peers = try namespace.run {
            try (1...count)
                .map { number in
                    let peer = try Peer(address)
                    let head =
                        "POST /stream HTTP/1.1\r\nHost: primary\r\nLitefs-Id: 00000000000000F\(number)\r\n"
                        + "Litefs-Capabilities: overlap\r\nContent-Length: 4\r\n\r\n"
                    // No positions: there is no database yet.
                    try peer.send(Array(head.utf8) + [0, 0, 0, 0])
                    return peer
                }
        }
    }

    /// How many there are.
    var count: Int { peers.count }

    /// Each reads up to this many bytes of what has come.
    func read(_ count: Int) {
        let memory = Buffer(count: count)
        for peer in peers {
            _ = recv(peer.socket.rawValue, memory.bytes.baseAddress, count, Int32(MSG_DONTWAIT))
        }
    }

    /// Ends the connections as the kernel does for a process that goes with something unread.
    func end() {
        for peer in peers { try? Socket.reset(peer.socket.rawValue) }
    }
}
