import Glibc
import Harness
import POSIX

/// A peer that speaks something like HTTP.
struct HostilePeer {
    private let node: DaemonProcess
    private let round: Round

    init(_ node: DaemonProcess, _ round: Round) {
        self.node = node
        self.round = round
    }

    private static let requests = [
        "GET /info HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /export?name=%2e%2e%2fx&name=sound.db HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD /metrics HTTP/1.0\r\n\r\n",
        "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nLitefs-Id: 1\r\n\r\n\0\0\0\0",
        "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nLitefs-Id: FFFFFFFFFFFFFFFF\r\n\r\nffffffffffffffff\r\nx",
        "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\nExpect: 100-continue\r\n\r\n",
        "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\nContent-Length: 5\r\n\r\n\u{FF}\u{FF}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET http://[::1/%00%zz?%=&&&=%41 HTTP/9.9\r\n\r\n", "\r\n\r\n\0",
    ]

    func run(requests: Int) throws {
        for _ in 0..<requests {
            var bytes = Array(Self.requests[number(below: Self.requests.count)].utf8)
            for _ in 0..<number(below: 5) where !bytes.isEmpty {
                let place = number(below: bytes.count)
                switch number(below: 4) {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: round.random.next())
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(contentsOf: bytes[place...].prefix(50), at: place)
                default:
                    bytes.insert(
                        contentsOf: [UInt8](repeating: bytes[place], count: number(below: 40_000)),
                        at: place
                    )
                }
            }
            try send(bytes)
            round.tally.add("hostile requests")
        }
    }

    /// Sends in one piece or two, and leaves in one way or another.
    private func send(_ bytes: [UInt8]) throws {
        let peer = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(peer) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(node.settings.port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(peer, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try check(connected == 0, "\(node.settings.name) takes connections: \(Errno.last)")
        var patience = timeval(tv_sec: 0, tv_usec: 100_000)
        setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let cut = number(below: bytes.count + 1)
        _ = Glibc.send(peer, Array(bytes[..<cut]), cut, Int32(truncatingIfNeeded: MSG_NOSIGNAL))
        _ = Glibc.send(peer, Array(bytes[cut...]), bytes.count - cut, Int32(truncatingIfNeeded: MSG_NOSIGNAL))
        switch number(below: 3) {
        case 0: return
        case 1: shutdown(peer, Int32(SHUT_WR))
        default: break
        }
        var answer = [UInt8](repeating: 0, count: 4096)
        _ = recv(peer, &answer, answer.count, 0)
    }

    private func number(below bound: Int) -> Int { Int(round.random.next() % UInt64(bound)) }
}
