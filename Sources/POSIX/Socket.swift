import Glibc

/// A TCP socket that is closed exactly once: when its owner goes, unless it was given away by `release()`.
///
/// All calls may be made from any thread at once; a failed send never raises SIGPIPE.
public struct Socket: ~Copyable, Sendable {
    /// The number the kernel knows it by.
    ///
    /// Valid as long as this value lives; do not close it.
    public let rawValue: Int32

    /// Takes ownership of an open socket.
    public init(owning rawValue: Int32) {
        precondition(rawValue >= 0, "a socket is never negative")
        self.rawValue = rawValue
    }

    deinit {
        _ = Glibc.close(rawValue)
    }

    /// Gives the socket away: whoever gets the number must close it.
    public consuming func release() -> Int32 {
        let fd = rawValue
        discard self
        return fd
    }

    /// A socket that accepts connections to `address`; port 0 takes a free one.
    ///
    /// The address of a closed socket can be taken again at once (`SO_REUSEADDR`). One for `::` serves IPv4 too.
    public static func listen(on address: SocketAddress, backlog: Int32) throws(Errno) -> Socket {
        let socket = try open(family: address.family)
        try socket.setOption(SOL_SOCKET, SO_REUSEADDR, 1)
        if address.family == AF_INET6 { try socket.setOption(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        let fd = socket.rawValue
        _ = try retrying { address.withUnsafePointer { Int(Glibc.bind(fd, $0, $1)) } }
        _ = try retrying { Int(Glibc.listen(fd, backlog)) }
        return socket
    }

    /// A socket connected to `address`.
    ///
    /// Blocks until the peer answers or the kernel gives up.
    public static func connect(to address: SocketAddress) throws(Errno) -> Socket {
        let socket = try open(family: address.family)
        let fd = socket.rawValue
        _ = try retrying { address.withUnsafePointer { Int(Glibc.connect(fd, $0, $1)) } }
        return socket
    }

    private static func open(family: Int32) throws(Errno) -> Socket {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        return Socket(owning: Int32(try retrying { Int(Glibc.socket(family, type, 0)) }))
    }

    /// The next connection to a listening socket, which somebody else owns.
    ///
    /// Blocks until there is one.
    public static func accept(from listener: Int32) throws(Errno) -> Socket {
        Socket(owning: Int32(try retrying { Int(Glibc.accept(listener, nil, nil)) }))
    }

    /// Closes the socket now.
    public consuming func close() {}

    /// The address this end is bound to.
    public func localAddress() throws(Errno) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let fd = rawValue
        _ = try retrying {
            withUnsafeMutablePointer(to: &storage) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Int(getsockname(fd, $0, &length))
                }
            }
        }
        return SocketAddress(storage)
    }

    /// Sends all of `bytes`; blocks while the peer does not take them.
    public func send(_ bytes: UnsafeRawBufferPointer) throws(Errno) {
        var done = 0
        while done < bytes.count {
            done += try retrying {
                Glibc.send(
                    rawValue,
                    bytes.baseAddress.map { $0 + done },
                    bytes.count - done,
                    Int32(MSG_NOSIGNAL)
                )
            }
        }
    }

    /// Receives what is there, waiting for at least one byte; 0 when the peer has ended its direction.
    public func receive(into buffer: UnsafeMutableRawBufferPointer) throws(Errno) -> Int {
        try retrying { Glibc.recv(rawValue, buffer.baseAddress, buffer.count, 0) }
    }

    /// The same from a socket that somebody else owns.
    public static func receive(
        from fd: Int32,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(Errno) -> Int {
        try retrying { Glibc.recv(fd, buffer.baseAddress, buffer.count, 0) }
    }

    /// Ends both directions: calls that wait on this socket return, the peer sees the end.
    public func shutDown() {
        Socket.shutDown(rawValue)
    }

    private func setOption(_ level: Int32, _ option: Int32, _ value: Int32) throws(Errno) {
        try Socket.setOption(rawValue, level, option, value)
    }

    private static func setOption(_ fd: Int32, _ level: Int32, _ option: Int32, _ value: Int32) throws(Errno)
    {
        var value = value
        let size = socklen_t(MemoryLayout<Int32>.size)
        _ = try retrying { Int(setsockopt(fd, level, option, &value, size)) }
    }
}

extension Socket {
    /// Sends small pieces at once on a socket that somebody else owns (`TCP_NODELAY`).
    public static func disableDelay(_ fd: Int32) throws(Errno) {
        try setOption(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    /// Lets the kernel notice that the peer of an idle socket, which somebody else owns, is gone.
    ///
    /// It is probed after `idle` (at least a second) and given up after three probes, one each second.
    public static func enableKeepAlive(_ fd: Int32, idle: Duration) throws(Errno) {
        let tcp = Int32(IPPROTO_TCP)
        try setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
        try setOption(fd, tcp, TCP_KEEPIDLE, Int32(clamping: max(1, idle.components.seconds)))
        try setOption(fd, tcp, TCP_KEEPINTVL, 1)
        try setOption(fd, tcp, TCP_KEEPCNT, 3)
    }

    /// Repeats what the peer of a socket, which somebody else owns, does not acknowledge, and probes of its closed receive
    /// window, at least once a second (`TCP_RTO_MAX_MS`, Linux 6.15), not ever more seldom.
    ///
    /// So a peer that is gone shows soon, and data flows soon when the way to it is back.
    public static func limitRetransmissionDelay(_ fd: Int32) throws(Errno) {
        try setOption(fd, Int32(IPPROTO_TCP), 44, 1000)
    }

    /// How long nothing has come from the peer of a socket, which somebody else owns, that owes an answer: data was
    /// repeated without being acknowledged, or a probe of its closed receive window was not answered.
    ///
    /// nil when it owes nothing. A peer that is alive answers within a round trip, also when it does not read.
    public static func unansweredTime(_ fd: Int32) -> Duration? {
        var info = tcp_info()
        var size = socklen_t(MemoryLayout<tcp_info>.size)
        guard getsockopt(fd, Int32(IPPROTO_TCP), TCP_INFO, &info, &size) == 0,
            (info.tcpi_unacked > 0 && info.tcpi_retransmits > 0) || info.tcpi_probes > 0
        else { return nil }
        return .milliseconds(Int64(info.tcpi_last_ack_recv))
    }

    /// Whether the other end sends nothing more: it has ended its side, or the connection is gone.
    public static func hasPeerEnded(_ fd: Int32) -> Bool {
        var info = tcp_info()
        var size = socklen_t(MemoryLayout<tcp_info>.size)
        // The state of RFC 9293, 3.3.2; 1 is ESTABLISHED in the kernel's numbers.
        return getsockopt(fd, Int32(IPPROTO_TCP), TCP_INFO, &info, &size) == 0 && info.tcpi_state != 1
    }

    /// Ends both directions of a socket that somebody else owns.
    public static func shutDown(_ fd: Int32) {
        _ = Glibc.shutdown(fd, Int32(SHUT_RDWR))
    }

    /// Ends the connection of a socket, which somebody else owns, so that the peer sees an error, not an end.
    public static func reset(_ fd: Int32) throws(Errno) {
        // Connecting to no address dissolves the connection, with a reset (connect(2), AF_UNSPEC).
        var none = sockaddr()
        none.sa_family = sa_family_t(AF_UNSPEC)
        let size = socklen_t(MemoryLayout<sockaddr>.size)
        _ = try retrying { Int(Glibc.connect(fd, &none, size)) }
    }
}
