import HTTP
import Logging
import Metrics
import POSIX
import Replication
import Store
import Synchronization
import Testing

/// A primary that listens on a port of its own.
final class ServedNode: Sendable {
    let http: HTTPServer
    let streams: StreamServer
    let lines = LogLines()

    init(
        _ source: any StreamSource,
        address: String = "127.0.0.1:0",
        handler: (@Sendable (HTTPRequest, StreamServer) -> HTTPResponse)? = nil
    ) throws {
        var options = StreamServer.Options()
        options.heartbeat = .milliseconds(20)
        let streams = StreamServer(
            source: source,
            logger: lines.logger,
            registry: MetricsRegistry(),
            options: options
        )
        self.streams = streams
        http = try HTTPServer(address: address)
        try http.serve { request in handler?(request, streams) ?? streams.handle(request) }
    }

    deinit {
        stop()
    }

    func stop() {
        streams.stop()
        http.stop()
    }

    var url: String { "http://127.0.0.1:\(http.boundPort)/ignored?path" }
}

/// A client under test, with what it told.
final class ConnectedReplica: Sendable {
    let target: RecordedReplica
    let client: StreamClient
    let registry = MetricsRegistry()
    let lines = LogLines()

    init(
        _ url: String,
        target: RecordedReplica = RecordedReplica(),
        databases: Set<DatabaseName>? = nil,
        silence: Duration = .seconds(5)
    ) {
        self.target = target
        var options = StreamClient.Options(primary: StreamClient.Primary(url: url, hostname: "pod-0"))
        options.reconnectDelay = .milliseconds(10)
        options.databases = databases
        options.silence = silence
        client = StreamClient(options: options, target: target, logger: lines.logger, registry: registry)
        client.start()
    }

    deinit {
        client.stop()
    }

    /// Waits for a condition.
    func wait(_ location: SourceLocation = #_sourceLocation, until condition: () -> Bool) throws {
        let deadline = MonotonicTime.now + .seconds(20)
        while !condition() {
            try #require(MonotonicTime.now < deadline, sourceLocation: location)
            pause(.milliseconds(2))
        }
    }
}
