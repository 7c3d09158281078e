import CMicrohttpd
import POSIX

/// An HTTP/1.1 server with a thread for each connection.
///
/// Usable from any thread. `stop` must not be called by a handler.
public final class HTTPServer: Sendable {
    /// Bounds on what peers can take of this process.
    public struct Limits: Sendable {
        /// The longest request body in bytes; a longer one is answered with 413.
        public var requestBody = 16 << 20
        /// The most connections at a time; further ones are closed at once.
        public var connections = 512
        /// Seconds after which a connection that sends no request, or no more of one, is closed.
        public var idleSeconds: UInt32 = 10
        /// How long a peer may be silent with data on its way to it before its connection is closed.
        ///
        /// A peer that is alive but does not read is not silent. A stream that says something each second ends within two
        /// seconds more than this after its peer is gone. Less than two seconds is too short: kernels leave probes that
        /// come quickly one after the other unanswered.
        public var unreachable: Duration = .seconds(3)

        /// The defaults.
        public init() {}
    }

    /// Memory for a connection in bytes: the request's header, and then pieces of the answer of nearly this size.
    static let connectionMemory = 768 << 10
    /// The preferred size in bytes of pieces of an answer whose length is announced.
    static let blockSize = 512 << 10
    /// Connections that the kernel keeps until they are accepted.
    static let backlog: Int32 = 1024

    private enum Phase: Sendable {
        case listening(socket: Int32)
        case serving(RunningDaemon, ServerContext, watcher: Thread)
        case stopping
        case stopped
    }

    /// The address as it was given to `init`.
    public let address: String
    /// The port that is listened on; a real one also when 0 was asked for.
    public let boundPort: UInt16
    private let limits: Limits
    private let phase: Guarded<Phase>

    /// Listens on `address` (`HOST:PORT`, `[IPV6]:PORT`, or `:PORT` for all interfaces).
    ///
    /// Connections are taken by the kernel from now on, and wait until `serve`.
    public init(address: String, limits: Limits = Limits()) throws(HTTPServerError) {
        let socket = try ListenAddress(address).listen(backlog: Self.backlog)
        do throws(Errno) {
            boundPort = try socket.localAddress().port
        } catch {
            throw .cannotListen(address, error)
        }
        self.address = address
        self.limits = limits
        phase = Guarded(.listening(socket: socket.release()))
    }

    deinit {
        stop()
    }

    /// Starts to answer requests with `handler`, on threads of the server's own; returns at once.
    public func serve(handler: @escaping HTTPHandler) throws(HTTPServerError) {
        let context = ServerContext(handler: handler, limits: limits)
        let address = address
        try phase.withLock { phase throws(HTTPServerError) in
            guard case .listening(let socket) = phase.pointee else { throw .notListening(address) }
            guard let daemon = RunningDaemon(socket: socket, context: context, limits: limits) else {
                // The library has closed the socket or not, depending on where it failed: it is not ours any more.
                phase.pointee = .stopped
                throw .cannotServe(address)
            }
            let watcher = Thread("http-watch") { context.watch.run(onEnd: context.cancelBodies) }
            phase.pointee = .serving(daemon, context, watcher: watcher)
        }
    }

    /// Stops listening, cancels all answers that are being sent, ends all connections and waits for their threads.
    ///
    /// Returns when no handler and no body is running any more; so does any further call.
    public func stop() {
        let found: Phase = phase.withLock { phase in
            while case .stopping = phase.pointee { self.phase.wait() }
            let found = phase.pointee
            if case .stopped = found { return found }
            phase.pointee = .stopping
            return found
        }
        switch found {
        case .listening(let socket): _ = Socket(owning: socket)
        case .serving(let daemon, let context, let watcher):
            context.cancelAll()
            daemon.stop()
            context.watch.stop()
            watcher.join()
        case .stopping, .stopped: return
        }
        phase.withLock { $0.pointee = .stopped }
        phase.wakeAll()
    }
}

/// The library's daemon.
private struct RunningDaemon: @unchecked Sendable {
    // SAFETY: the library locks for itself; `stop` is called once, by the change of the server's phase.
    private let pointer: OpaquePointer

    /// Starts it on a listening socket, which it owns from now on.
    ///
    /// `context` must outlive it.
    init?(socket: Int32, context: ServerContext, limits: HTTPServer.Limits) {
        let cls = Unmanaged.passUnretained(context).toOpaque()
        var options = [
            cmhd_option(.LISTEN_SOCKET, Int(socket)),
            cmhd_option(.CONNECTION_MEMORY_LIMIT, HTTPServer.connectionMemory),
            cmhd_option(.CONNECTION_MEMORY_INCREMENT, 64 << 10),
            cmhd_option(.CONNECTION_LIMIT, limits.connections),
            cmhd_option(.CONNECTION_TIMEOUT, Int(limits.idleSeconds)),
            cmhd_option_uri(Exchange.begin, cls),
            cmhd_option_completed(Exchange.end, cls),
            cmhd_option_connection(ServerContext.connectionChanged, cls),
            cmhd_option(.END, 0),
        ]
        guard let pointer = cmhd_start(Exchange.proceed, cls, &options) else { return nil }
        self.pointer = pointer
    }

    func stop() {
        MHD_stop_daemon(pointer)
    }
}
