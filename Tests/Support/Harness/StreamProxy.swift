import Glibc
import POSIX
import Synchronization

/// A TCP proxy between a replica and its primary that does to streams what it is told.
package final class StreamProxy: Sendable {
    /// The end of a connection after a number of bytes.
    package struct Cut: Sendable {
        /// Whether the bytes are those of the primary's answer, or those of the replica's request.
        package var isAnswer: Bool
        /// How many bytes get through.
        package var bytes: Int
        /// Whether both ends see a reset instead of an end.
        package var isReset: Bool

        /// Joins all.
        package init(isAnswer: Bool, bytes: Int, isReset: Bool) {
            self.isAnswer = isAnswer
            self.bytes = bytes
            self.isReset = isReset
        }
    }

    /// How the bytes of an answer get on.
    package struct Pace: Sendable {
        /// The most bytes that are passed on at once.
        package var piece: Int
        /// How long after that the next are taken.
        package var rest: Duration

        /// Joins both.
        package init(piece: Int, rest: Duration) {
            self.piece = piece
            self.rest = rest
        }
    }

    private struct State: Sendable {
        var listener: Int32?
        var cuts: [Cut] = []
        var pace: Pace?
        var connections: [ProxiedConnection] = []
        var threads: [Thread] = []
        var isRefusing = false
    }

    private let namespace: NetworkNamespace?
    private let address: SocketAddress
    private let target: SocketAddress
    private let receiveBuffer: Int32?
    private let state = Mutex(State())

    /// Listens.
    ///
    /// - Parameters:
    ///   - namespace: Where it stands; nil for the network of this process.
    ///   - host: The address at which it listens.
    ///   - port: The port at which it listens.
    ///   - targetHost: The address of the primary.
    ///   - targetPort: The port of the primary.
    ///   - receiveBuffer: Bytes of an answer that the kernel takes while they are not passed on; with few of them the primary soon
    ///     notices. nil for as many as usual.
    /// - Throws: When the addresses cannot be had.
    package init(
        in namespace: NetworkNamespace? = nil,
        at host: String = "127.0.0.1",
        port: UInt16,
        to targetHost: String = "127.0.0.1",
        port targetPort: UInt16,
        receiveBuffer: Int32? = nil
    ) throws {
        self.receiveBuffer = receiveBuffer
        self.namespace = namespace
        address = try required(SocketAddress.resolve(host: host, port: port).first, "an address")
        target = try required(SocketAddress.resolve(host: targetHost, port: targetPort).first, "an address")
        try accept()
    }

    /// How many ends are planned for connections that are still to come.
    package var plannedCuts: Int { state.withLock { $0.cuts.count } }

    /// Ends each of the next connections after some bytes, one after the other.
    package func cut(_ cuts: [Cut]) {
        state.withLock { $0.cuts = cuts }
        endConnections()
    }

    /// Passes answers on at this pace from the next connection on; nil for as fast as they come.
    package func slow(_ pace: Pace?) {
        state.withLock { $0.pace = pace }
        endConnections()
    }

    /// Ends the connections, and refuses further ones.
    package func refuse() {
        let listener = state.withLock { state in
            defer { state.listener = nil }
            state.isRefusing = true
            return state.listener
        }
        if let listener { Socket.shutDown(listener) }
        endConnections()
    }

    /// Listens, after `refuse` again.
    package func accept() throws {
        let address = address
        let number = try inNamespace { try Socket.listen(on: address, backlog: 16).release() }
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
    package func stop() {
        refuse()
        for thread in state.withLock({ $0.threads }) { thread.join() }
    }

    private func inNamespace(_ body: @escaping @Sendable () throws -> Int32) throws -> Int32 {
        if let namespace { try namespace.run(body) } else { try body() }
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
        let (target, receiveBuffer) = (target, receiveBuffer)
        guard
            let up = try? inNamespace({
                let up = try Socket.connect(to: target)
                if var size = receiveBuffer {
                    setsockopt(up.rawValue, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
                }
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
