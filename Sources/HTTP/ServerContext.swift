import CMicrohttpd
import POSIX
import Synchronization

/// What the callbacks of one server share.
final class ServerContext: Sendable {
    let handler: HTTPHandler
    let limits: HTTPServer.Limits

    let watch: PeerWatch

    private struct Bodies: Sendable {
        var isStopping = false
        var active: [ObjectIdentifier: ActiveBody] = [:]
    }

    private let bodies = Mutex(Bodies())

    init(handler: @escaping HTTPHandler, limits: HTTPServer.Limits) {
        self.handler = handler
        self.limits = limits
        watch = PeerWatch(limit: limits.unreachable)
    }

    /// Notes a body that is about to be sent; when the server stops, cancels it at once.
    func add(_ body: ActiveBody) {
        let isStopping = bodies.withLock { bodies in
            bodies.active[ObjectIdentifier(body)] = body
            return bodies.isStopping
        }
        if isStopping { body.cancel() }
    }

    func remove(_ body: ActiveBody) {
        bodies.withLock { $0.active[ObjectIdentifier(body)] = nil }
        body.cancel()
    }

    /// Cancels the bodies that wait for nothing but their peers, which are gone.
    func cancelBodies(of sockets: Set<Int32>) {
        let active = bodies.withLock { bodies in
            bodies.active.values.filter { $0.endsWithPeer && sockets.contains($0.socket) }
        }
        for body in active { body.cancel() }
    }

    /// Cancels the bodies that are being sent, and all that come after.
    func cancelAll() {
        let active = bodies.withLock { bodies in
            bodies.isStopping = true
            return Array(bodies.active.values)
        }
        for body in active { body.cancel() }
    }

    /// Prepares the socket of a new connection, and forgets it before it is closed.
    static let connectionChanged: MHD_NotifyConnectionCallback = { cls, connection, _, code in
        guard let cls, let connection else { return }
        // SAFETY: the server keeps the context until its daemon has stopped.
        let context = Unmanaged<ServerContext>.fromOpaque(cls).takeUnretainedValue()
        let socket = cmhd_socket(connection)
        guard code == .CONNECTION_NOTIFY_STARTED else {
            context.watch.remove(socket)
            return
        }
        // A socket whose peer has gone already may refuse; the connection then ends by itself.
        try? Socket.disableDelay(socket)
        try? Socket.enableKeepAlive(socket, idle: .seconds(2))
        // An older kernel refuses; it probes a peer whose window is closed ever more seldom, and notices its end later.
        try? Socket.limitRetransmissionDelay(socket)
        context.watch.add(socket)
    }
}
