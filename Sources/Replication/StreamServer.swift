import HTTP
import LTX
import Logging
import Metrics
import POSIX
import Store
import Synchronization

/// Answers POST /stream on a primary: sends every database, and then every transaction, to replicas.
///
/// Usable from any thread. It learns of new transactions as the store's observer, or by `transactionsAppeared(in:)`.
public final class StreamServer: Sendable {
    /// How streams are made, and how long things take.
    public struct Options: Sendable {
        /// Whether snapshots are compressed with LZ4.
        public var compressesSnapshots = true
        /// Idle time after which a heartbeat is sent.
        public var heartbeat: Duration = .seconds(1)
        /// How long a snapshot waits for a program in the middle of a transaction before it is postponed.
        public var snapshotWait: Duration = .milliseconds(250)
        /// How long databases that cannot be read hold up the Ready frame.
        public var readyGrace: Duration = .seconds(10)

        /// The defaults.
        public init() {}
    }

    /// The most damaged files that are remembered.
    private static let maximumDamaged = 1024

    private struct FileKey: Hashable {
        let database: DatabaseName
        let file: LTXFileName
    }

    private struct State {
        var sessions: [ObjectIdentifier: StreamSession] = [:]
        var isStopping = false
        /// Files that are not sent, because they were found damaged.
        var damaged: Set<FileKey> = []
    }

    let source: any StreamSource
    let logger: Logger
    let options: Options
    private let registry: MetricsRegistry
    private let streamCount: Gauge
    private let subscriberCount: Gauge
    private let state = Guarded(State())

    /// A server of the databases of `source`.
    public init(
        source: any StreamSource,
        logger: Logger,
        registry: MetricsRegistry,
        options: Options = Options()
    ) {
        self.source = source
        self.logger = logger
        self.options = options
        self.registry = registry
        streamCount = registry.gauge("litefs_http_stream_count", help: "Streams that are open now.")
        subscriberCount = registry.gauge(
            "litefs_subscriber_count",
            help: "Nodes that receive transactions now."
        )
    }

    // MARK: - Requests

    /// Answers POST /stream; `filter` in the query names the databases that are wanted, separated by commas.
    ///
    /// Over HTTP/1 only nodes that tell their capabilities are served, as LiteFS 0.5 serves no other.
    ///
    /// - Parameters:
    ///   - request: The request, whose body is a position map.
    ///   - isHTTP2: Whether it came by HTTP/2.
    /// - Returns: The stream, or why there is none.
    @Sendable public func handle(_ request: HTTPRequest, isHTTP2: Bool = false) -> HTTPResponse {
        answer { () throws(Refusal) in
            HTTPResponse(body: .stream(try begin(try client(of: request, isHTTP2: isHTTP2))))
        }
    }

    /// The answer with the identity of this node, also of a refusal.
    func answer(_ body: () throws(Refusal) -> HTTPResponse) -> HTTPResponse {
        var response: HTTPResponse
        do throws(Refusal) {
            response = try body()
        } catch {
            response = .error(error.status, error.message)
        }
        NodeHeaders.identify(&response, nodeID: source.nodeID, clusterID: source.clusterID)
        return response
    }

    /// Part of a request; refuses the request when it is not what it should be.
    func parsed<Value, Failure: Error>(
        _ what: String = "",
        _ body: () throws(Failure) -> Value
    ) throws(Refusal) -> Value {
        do throws(Failure) {
            return try body()
        } catch {
            throw Refusal(status: 400, message: "\(what)\(error)")
        }
    }

    /// Why a request gets nothing.
    struct Refusal: Error {
        let status: Int
        let message: String
    }

    private func client(of request: HTTPRequest, isHTTP2: Bool) throws(Refusal) -> StreamSession.Client {
        let capabilities = NodeHeaders.capabilities(of: request.headers)
        guard isHTTP2 || capabilities != nil else {
            throw Refusal(status: 426, message: "Upgrade to HTTP/2 required")
        }
        let nodeID = try peer(of: request)
        let positions = try parsed { () throws(PositionMapError) in
            try PositionMap(decoding: request.body)
        }
        return StreamSession.Client(
            nodeID: nodeID,
            address: request.remoteAddress,
            positions: positions,
            filter: try filter(request.parameter("filter")),
            acceptsOverlap: capabilities?.contains(NodeHeaders.overlap) ?? false,
            acceptsDifference: capabilities?.contains(NodeHeaders.difference) ?? false
        )
    }

    /// The node that asks; refuses what is none, or asks the wrong one.
    func peer(of request: HTTPRequest) throws(Refusal) -> UInt64 {
        guard let text = request.headers[NodeHeaders.nodeID], let nodeID = NodeHeaders.parse(nodeID: text)
        else {
            throw Refusal(
                status: 400,
                message: "\(NodeHeaders.nodeID) header required: a node ID of 16 hex digits"
            )
        }
        guard nodeID != source.nodeID else { throw Refusal(status: 400, message: "cannot connect to self") }
        guard source.isPrimary else {
            throw Refusal(
                status: 503,
                message: "this node is not the primary, connect to the primary's address"
            )
        }
        return nodeID
    }

    private func filter(_ text: String?) throws(Refusal) -> Set<DatabaseName>? {
        guard let text, !text.isEmpty else { return nil }
        var names: Set<DatabaseName> = []
        for part in text.split(separator: ",") {
            names.insert(
                try parsed("filter: ") { () throws(DatabaseNameError) in try DatabaseName(String(part)) }
            )
        }
        return names
    }

    private func begin(_ client: StreamSession.Client) throws(Refusal) -> StreamSession {
        let session = StreamSession(client, server: self)
        let isAccepted = state.withLock { state in
            if state.pointee.isStopping { return false }
            state.pointee.sessions[ObjectIdentifier(session)] = session
            return true
        }
        guard isAccepted else { throw Refusal(status: 503, message: "the node is shutting down") }
        streamCount.add(1)
        subscriberCount.add(1)
        logger.info("\(NodeHeaders.text(nodeID: client.nodeID)): stream connected (\(client.address))")
        return session
    }

    // MARK: - News and the end

    /// Tells all streams that a database has new transactions in its log, or is new.
    public func transactionsAppeared(in name: DatabaseName) {
        let sessions = state.withLock { Array($0.pointee.sessions.values) }
        for session in sessions { session.post(name) }
    }

    /// Waits until all that the log has was given to every stream, at most until `deadline`.
    ///
    /// - Returns: whether it was.
    public func drain(deadline: MonotonicTime) -> Bool {
        for database in source.streamableDatabases { transactionsAppeared(in: database.name) }
        while true {
            let sessions = state.withLock { Array($0.pointee.sessions.values) }
            if sessions.allSatisfy(\.mailbox.isDrained) { return true }
            guard MonotonicTime.now < deadline else { return false }
            pause(.milliseconds(1))
        }
    }

    /// Refuses new streams, asks those that are open to end in order, and waits until they have, at most until `deadline`.
    ///
    /// A stream that is in the middle of a snapshot is cut off.
    public func stop(deadline: MonotonicTime = .now + .seconds(1)) {
        let sessions = state.withLock { state in
            state.pointee.isStopping = true
            return Array(state.pointee.sessions.values)
        }
        for session in sessions { session.stop() }
        state.withLock { state in
            while !state.pointee.sessions.isEmpty, MonotonicTime.now < deadline {
                _ = self.state.wait(until: deadline)
            }
        }
    }

    func ended(_ session: StreamSession) {
        let wasThere = state.withLock {
            $0.pointee.sessions.removeValue(forKey: ObjectIdentifier(session)) != nil
        }
        guard wasThere else { return }
        state.wakeAll()
        streamCount.add(-1)
        subscriberCount.add(-1)
        let id = NodeHeaders.text(nodeID: session.client.nodeID)
        logger.info("\(id): stream disconnected (\(session.client.address))")
    }

    // MARK: - For sessions

    func countFrame(of name: DatabaseName, type: String) {
        registry
            .counter(
                "litefs_http_frame_send_count",
                help: "Frames with transactions that were sent to replicas.",
                labels: ["db": name.text, "type": type]
            )
            .increment()
    }

    func logAbort(_ client: StreamSession.Client, _ error: any Error) {
        logger.error(
            "\(NodeHeaders.text(nodeID: client.nodeID)): stream cut off (\(client.address)): \(error)"
        )
    }

    /// The file, unless it was found damaged.
    func sound(_ file: LTXFile?, of database: DatabaseName) -> LTXFile? {
        guard let file else { return nil }
        let key = FileKey(database: database, file: file.name)
        return state.withLock { $0.pointee.damaged.contains(key) } ? nil : file
    }

    /// A file could not be opened; what is damaged is not sent again.
    func noteFailure(of database: DatabaseName, _ file: LTXFileName, _ error: OutgoingFileError) {
        if case .gone = error { return }
        logger.error("database \"\(database)\": \(error)")
        remember(FileKey(database: database, file: file))
    }

    /// Sending failed in the middle; a file that turned out to be damaged is not sent again.
    func noteFailure(of database: DatabaseName, _ error: any Error) {
        guard case OutgoingFileError.damaged(let path, _) = error,
            let name = LTXFileName(String(path.split(separator: "/").last ?? ""))
        else { return }
        remember(FileKey(database: database, file: name))
    }

    private func remember(_ key: FileKey) {
        state.withLock { state in
            if state.pointee.damaged.count >= Self.maximumDamaged { state.pointee.damaged.removeAll() }
            state.pointee.damaged.insert(key)
        }
    }
}

extension StreamServer: StoreObserver {
    /// Tells all streams.
    public func transactionsAppeared(in database: Database) { transactionsAppeared(in: database.name) }

    /// Tells all streams: a database may be new.
    public func visibilityChanged(of database: Database) { transactionsAppeared(in: database.name) }
}
