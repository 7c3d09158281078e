import HTTP
import Logging
import Metrics
import Replication
import Store

/// The HTTP API of a node: `/info`, `/events`, `/metrics`, `/export`, `/health/live`, `/health/ready`, `/health/startup`, `/stream` and
/// `/difference`.
///
/// Knows nothing of connections: a request goes in, an answer comes out. Usable from any thread.
public final class HTTPAPI: Sendable {
    /// What the API is set up with.
    public struct Options: Sendable {
        /// The lag up to which a replica is ready; zero for any.
        public var maximumLag: Duration = .seconds(10)

        /// The defaults.
        public init() {}
    }

    let source: any StreamSource
    let databases: @Sendable () -> [DatabaseFacts]
    let node: any NodeView
    let options: Options
    let logger: Logger
    private let router: Router

    /// The API of a store.
    public convenience init(
        store: Store,
        streams: StreamServer,
        events: EventHub,
        node: any NodeView,
        registry: MetricsRegistry,
        logger: Logger,
        options: Options = Options()
    ) {
        self.init(
            source: store,
            databases: { store.databases.map { DatabaseFacts(name: $0.name, summary: $0.summary) } },
            streams: streams,
            events: events,
            node: node,
            registry: registry,
            logger: logger,
            options: options
        )
    }

    /// The API of what `source` and `databases` tell.
    init(
        source: any StreamSource,
        databases: @escaping @Sendable () -> [DatabaseFacts],
        streams: StreamServer,
        events: EventHub,
        node: any NodeView,
        registry: MetricsRegistry,
        logger: Logger,
        options: Options
    ) {
        self.source = source
        self.databases = databases
        self.node = node
        self.options = options
        self.logger = logger
        let info = InfoDocument(source: source, databases: databases, node: node)
        let export = ExportRoute(source: source, logger: logger)
        let health = HealthCheck(source: source, node: node, maximumLag: options.maximumLag)
        var router = Router()
        router.add("GET", "/info") { _ in
            // LiteFS leaves the type to be guessed from the text; programs that read it expect that.
            HTTPResponse(headers: ["Content-Type": "text/plain; charset=utf-8"], body: .bytes(info.bytes()))
        }
        router.add("GET", "/events") { request in
            let stream = events.listen(
                hostname: { node.primaryHostname },
                remoteAddress: request.remoteAddress
            )
            return HTTPResponse(headers: ["Content-Type": "application/json"], body: .stream(stream))
        }
        router.add("GET", "/metrics") { _ in
            HTTPResponse(
                headers: ["Content-Type": MetricsRegistry.contentType],
                body: .bytes(registry.exposition())
            )
        }
        router.add("GET", "/export", export.handle)
        router.add("GET", "/health/live") { _ in .text("ok\n") }
        router.add("GET", "/health/ready") { _ in health.answer() }
        router.add("GET", "/health/startup") { _ in health.startup() }
        router.add("POST", "/stream") { streams.handle($0) }
        router.add("POST", "/difference", streams.handleDifference)
        self.router = router
    }

    /// Answers a request.
    ///
    /// Every answer carries the identity of the node.
    @Sendable public func handle(_ request: HTTPRequest) -> HTTPResponse {
        var response = router.handle(request)
        logError(request, response)
        NodeHeaders.identify(&response, nodeID: source.nodeID, clusterID: source.clusterID)
        return response
    }

    /// Logs what was refused.
    ///
    /// Not of health checks, which say no again and again, and not of paths that do not exist.
    private func logError(_ request: HTTPRequest, _ response: HTTPResponse) {
        guard response.status >= 400, response.status != 405, case .bytes(let body) = response.body,
            ["/stream", "/export", "/difference"].contains(request.path)
        else { return }
        let message = String(decoding: body, as: UTF8.self).prefix { $0 != "\n" }
        logger.warning(
            "http: \(request.method) \(request.path): error: \(message)",
            ["remote": .string(request.remoteAddress)]
        )
    }
}

/// A database as `/info` describes it.
struct DatabaseFacts: Sendable {
    let name: DatabaseName
    let summary: Database.Summary
}
