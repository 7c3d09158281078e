import Glibc
import HTTP
import POSIX
import Synchronization
import Testing

/// A server on a free port of the loopback interface, stopped at the end.
final class Fixture: Sendable {
    let server: HTTPServer
    let client: HTTPClient

    init(
        limits: HTTPServer.Limits = HTTPServer.Limits(),
        clientLimits: HTTPClient.Limits = HTTPClient.Limits(),
        _ handler: @escaping HTTPHandler
    ) throws {
        server = try HTTPServer(address: "127.0.0.1:0", limits: limits)
        client = HTTPClient(limits: clientLimits)
        try server.serve(handler: handler)
    }

    deinit { server.stop() }

    /// Whether the kernel can be told to repeat what is not acknowledged at least once a second.
    static let kernelLimitsRetransmissionDelay: Bool = {
        guard let address = SocketAddress.resolve(host: "127.0.0.1", port: 0).first,
            let socket = try? Socket.listen(on: address, backlog: 1)
        else { return false }
        return (try? Socket.limitRetransmissionDelay(socket.rawValue)) != nil
    }()

    func url(_ path: String) -> String { "http://127.0.0.1:\(server.boundPort)\(path)" }

    /// A connection to the server without a client of ours behind it.
    func connect() throws -> Socket {
        let address = try #require(SocketAddress.resolve(host: "127.0.0.1", port: server.boundPort).first)
        return try Socket.connect(to: address)
    }
}

extension Socket {
    func send(_ text: String) throws {
        try Array(text.utf8).withUnsafeBytes { try send($0) }
    }

    /// Everything up to the end of the connection, or up to `text`.
    func receive(until text: String? = nil) throws -> String {
        var bytes: [UInt8] = []
        let chunk = Buffer(count: 4096)
        while true {
            if let text, String(decoding: bytes, as: UTF8.self).contains(text) { break }
            let count = try receive(into: chunk.bytes)
            if count == 0 { break }
            bytes.append(contentsOf: chunk.bytes[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Socket {
    /// Makes the kernel ignore all that arrives for this socket, as if its machine had lost power.
    ///
    /// A packet filter (socket(7), `SO_ATTACH_FILTER`) whose only instruction keeps nothing.
    func dropEverything() throws {
        struct Instruction {
            var code: UInt16 = 0x06
            var jumpIfTrue: UInt8 = 0
            var jumpIfFalse: UInt8 = 0
            var constant: UInt32 = 0
        }
        struct Program {
            var count: UInt16 = 1
            var instructions: UnsafeMutablePointer<Instruction>
        }
        var instruction = Instruction()
        let result = withUnsafeMutablePointer(to: &instruction) { pointer in
            var program = Program(instructions: pointer)
            return setsockopt(rawValue, SOL_SOCKET, 26, &program, socklen_t(MemoryLayout<Program>.size))
        }
        try #require(result == 0)
    }
}

/// A body that gives what a test puts in.
final class QueueBody: ResponseBody {
    struct Failure: Error {}

    private struct State {
        var pieces: [[UInt8]] = []
        var isEnded = false
        var isFailed = false
        var cancellations = 0
        var largestBuffer = 0
        var reads = 0
    }

    private let state = Guarded(State())

    func put(_ text: String) {
        state.withLock { $0.pointee.pieces.append(Array(text.utf8)) }
        state.wakeAll()
    }

    func end() {
        state.withLock { $0.pointee.isEnded = true }
        state.wakeAll()
    }

    func fail() {
        state.withLock { $0.pointee.isFailed = true }
        state.wakeAll()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        try state.withLock { state in
            state.pointee.reads += 1
            state.pointee.largestBuffer = max(state.pointee.largestBuffer, buffer.count)
            self.state.wakeAll()
            while true {
                if !state.pointee.pieces.isEmpty {
                    let piece = state.pointee.pieces.removeFirst()
                    buffer.copyBytes(from: piece)
                    return piece.count
                }
                if state.pointee.isFailed || state.pointee.cancellations > 0 { throw Failure() }
                if state.pointee.isEnded { return 0 }
                self.state.wait()
            }
        }
    }

    func cancel() {
        state.withLock { $0.pointee.cancellations += 1 }
        state.wakeAll()
    }

    var cancellations: Int { state.withLock { $0.pointee.cancellations } }

    /// Waits until `read` was called so often.
    func waitForReads(_ count: Int) -> Bool {
        wait { $0.reads >= count }
    }

    func waitForCancel() -> Bool {
        wait { $0.cancellations > 0 }
    }

    private func wait(_ condition: (State) -> Bool) -> Bool {
        let deadline = MonotonicTime.now + .seconds(10)
        return state.withLock { state in
            while !condition(state.pointee) {
                if !self.state.wait(until: deadline) { return condition(state.pointee) }
            }
            return true
        }
    }
}

/// A value that other threads wait for.
final class Box<Value: Sendable>: Sendable {
    private let state: Guarded<Value>

    init(_ value: Value) { state = Guarded(value) }

    var value: Value {
        get { state.withLock { $0.pointee } }
        set {
            state.withLock { $0.pointee = newValue }
            state.wakeAll()
        }
    }

    func change(_ body: (inout Value) -> Void) {
        state.withLock { body(&$0.pointee) }
        state.wakeAll()
    }

    func wait(_ condition: (Value) -> Bool) -> Bool {
        let deadline = MonotonicTime.now + .seconds(10)
        return state.withLock { state in
            while !condition(state.pointee) {
                if !self.state.wait(until: deadline) { return condition(state.pointee) }
            }
            return true
        }
    }
}
