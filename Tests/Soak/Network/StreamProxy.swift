import Glibc
import Harness
import POSIX
import Synchronization

/// A TCP proxy at the bridge of a `TestNetwork`, between a replica and its primary, that does to streams what it is told.
final class StreamProxy: Sendable {
    /// The end of a connection after a number of bytes.
    struct Cut: Sendable {
        /// Whether the bytes are those of the primary's answer, or those of the replica's request.
        var isAnswer: Bool
        /// How many bytes get through.
        var bytes: Int
        /// Whether both ends see a reset instead of an end.
        var isReset: Bool
    }

    /// How the bytes of an answer get on.
    struct Pace: Sendable {
        /// The most bytes that are passed on at once.
        var piece: Int
        /// How long after that the next are taken.
        var rest: Duration
    }

    struct State: Sendable {
        var listener: Int32?
        var cuts: [Cut] = []
        var pace: Pace?
        var connections: [ProxiedConnection] = []
        var threads: [Thread] = []
        var isRefusing = false
    }

    private let namespace: NetworkNamespace
    private let address: SocketAddress
    private let target: SocketAddress
    private let state = Mutex(State())

    /// Listens at the bridge.
    init(in network: TestNetwork, port: UInt16, to host: String, port targetPort: UInt16) throws {
        namespace = network.hub
        address = try required(
            SocketAddress.resolve(host: TestNetwork.hubAddress, port: port).first,
            "an address"
        )
        target = try required(SocketAddress.resolve(host: host, port: targetPort).first, "an address")
        try accept()
    }

    /// How many ends are planned for connections that are still to come.
    var plannedCuts: Int { state.withLock { $0.cuts.count } }

    /// Ends each of the next connections after some bytes, one after the other.
    func cut(_ cuts: [Cut]) {
        state.withLock { $0.cuts = cuts }
        endConnections()
    }

    /// Passes answers on at this pace from the next connection on; nil for as fast as they come.
    func slow(_ pace: Pace?) {
        state.withLock { $0.pace = pace }
        endConnections()
    }

    /// Ends the connections, and refuses further ones.
    func refuse() {
        let listener = state.withLock { state in
            defer { state.listener = nil }
            state.isRefusing = true
            return state.listener
        }
        if let listener { Socket.shutDown(listener) }
        endConnections()
    }

    /// Listens, after `refuse` again.
    func accept() throws {
        let address = address
        let number = try namespace.run { try Socket.listen(on: address, backlog: 16).release() }
        let thread = Thread("proxy-accept") { [weak self] in
            let listener = Socket(owning: number)
            while let down = try? Socket.accept(from: listener.rawValue) {
                self?.begin(down.release())
            }
        }
        state.withLock { state in
            state.listener = number
            state.isRefusing = false
            state.threads.append(thread)
        }
    }

    /// Ends everything.
    func stop() {
        refuse()
        for thread in state.withLock({ $0.threads }) { thread.join() }
    }

    private func endConnections() {
        let connections = state.withLock { state in
            defer { state.connections = [] }
            return state.connections
        }
        for connection in connections { connection.end(isReset: true) }
    }

    private func begin(_ number: Int32) {
        let down = Socket(owning: number)
        let target = target
        guard
            let up = try? namespace.run({
                let up = try Socket.connect(to: target)
                // What is not read soon fills up the primary's side.
                var size: Int32 = 4096
                setsockopt(up.rawValue, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
                try Socket.disableDelay(up.rawValue)
                return up.release()
            })
        else { return }
        try? Socket.disableDelay(down.rawValue)
        let connection = ProxiedConnection(down: down.release(), up: up)
        state.withLock { state in
            guard !state.isRefusing else { return connection.end(isReset: true) }
            let cut = state.cuts.isEmpty ? nil : state.cuts.removeFirst()
            let pace = state.pace
            state.connections.append(connection)
            state.threads += [true, false]
                .map { isAnswer in
                    Thread(isAnswer ? "proxy-answer" : "proxy-request") {
                        connection.pass(
                            isAnswer: isAnswer,
                            cut: cut?.isAnswer == isAnswer ? cut : nil,
                            pace: isAnswer ? pace : nil
                        )
                    }
                }
        }
    }
}

/// A connection through a `StreamProxy`, on two threads.
final class ProxiedConnection: Sendable {
    private let down: Socket
    private let up: Socket

    init(down: Int32, up: Int32) {
        self.down = Socket(owning: down)
        self.up = Socket(owning: up)
    }

    /// Ends both sides.
    func end(isReset: Bool) {
        for number in [down.rawValue, up.rawValue] {
            if isReset { try? Socket.reset(number) }
            Socket.shutDown(number)
        }
    }

    /// Passes one direction on until it ends; then both end.
    func pass(isAnswer: Bool, cut: StreamProxy.Cut?, pace: StreamProxy.Pace?) {
        let memory = Buffer(count: 64 << 10)
        var left = cut?.bytes ?? .max
        while left > 0 {
            let room = min(left, pace?.piece ?? memory.bytes.count)
            let piece = UnsafeMutableRawBufferPointer(rebasing: memory.bytes[..<room])
            guard let count = try? receive(isAnswer, piece), count > 0 else { return end(isReset: false) }
            left -= count
            let bytes = UnsafeRawBufferPointer(rebasing: piece[..<count])
            guard (try? send(isAnswer, bytes)) != nil else { return end(isReset: true) }
            if let pace { pause(pace.rest) }
        }
        end(isReset: cut?.isReset ?? false)
    }

    private func receive(_ isAnswer: Bool, _ piece: UnsafeMutableRawBufferPointer) throws -> Int {
        isAnswer ? try up.receive(into: piece) : try down.receive(into: piece)
    }

    private func send(_ isAnswer: Bool, _ bytes: UnsafeRawBufferPointer) throws {
        if isAnswer { try down.send(bytes) } else { try up.send(bytes) }
    }
}
