import HTTP
import LTX
import Logging
import Metrics
import POSIX
import Replication
import Store
import Synchronization
import Testing

/// A stream server under test, and what it logged.
struct ServedStream {
    let server: StreamServer
    let registry = MetricsRegistry()
    let lines = LogLines()

    init(_ source: any StreamSource, readyGrace: Duration = .seconds(10), compress: Bool = true) {
        var options = StreamServer.Options()
        options.heartbeat = .milliseconds(20)
        options.readyGrace = readyGrace
        options.compressesSnapshots = compress
        server = StreamServer(source: source, logger: lines.logger, registry: registry, options: options)
    }

    static func request(
        _ positions: [DatabaseName: Position] = [:],
        nodeID: String? = "00000000000000CD",
        capabilities: String? = "overlap",
        filter: String? = nil
    ) -> HTTPRequest {
        var headers = HTTPHeaders()
        headers["Litefs-Id"] = nodeID
        headers["Litefs-Capabilities"] = capabilities
        return HTTPRequest(
            method: "POST",
            path: "/stream",
            query: filter.map { [(name: "filter", value: $0)] } ?? [],
            headers: headers,
            body: PositionMap(positions).encoded(),
            remoteAddress: "10.0.0.7:1"
        )
    }

    /// All metrics.
    var metrics: String { String(decoding: registry.exposition(), as: UTF8.self) }

    /// Opens a stream.
    func open(_ request: HTTPRequest = ServedStream.request()) throws -> OpenStream {
        let response = server.handle(request)
        guard case .stream(let body, nil) = response.body else { throw NoStream(status: response.status) }
        return OpenStream(body)
    }

    struct NoStream: Error {
        let status: Int
    }
}

/// The receiving end of a stream, without a connection.
final class OpenStream {
    let body: any ResponseBody
    private(set) var reading = StreamReading()
    private(set) var bytes: [UInt8] = []
    private(set) var isAtEnd = false

    init(_ body: any ResponseBody) {
        self.body = body
    }

    deinit {
        body.cancel()
    }

    /// Reads until the condition holds, or the stream ends.
    func read(bufferSize: Int = 256 << 10, until condition: (StreamReading) -> Bool) throws {
        let deadline = MonotonicTime.now + .seconds(20)
        var buffer = [UInt8](repeating: 0, count: bufferSize)
        while !condition(reading), !isAtEnd {
            try #require(MonotonicTime.now < deadline)
            let count = try buffer.withUnsafeMutableBytes { try body.read(into: $0) }
            try reading.feed(buffer[..<count])
            bytes += buffer[..<count]
            isAtEnd = count == 0
        }
    }

    /// Reads up to the Ready frame.
    func readUntilReady(bufferSize: Int = 256 << 10) throws {
        try read(bufferSize: bufferSize) { $0.frames.contains(.ready) }
    }
}

/// Lines that a logger wrote.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var logger: Logger {
        Logger(
            level: .debug,
            sink: { bytes in self.lines.withLock { $0.append(String(decoding: bytes, as: UTF8.self)) } }
        )
    }

    var all: [String] { lines.withLock { $0 } }

    func contain(_ text: String) -> Bool { all.contains { $0.contains(text) } }
}
