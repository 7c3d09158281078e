import HTTP
import POSIX
import Store

/// What the thread of a `StreamClient` does: one attempt after the other.
struct StreamClientLoop {
    /// The longest delay while the primary cannot be reached.
    ///
    /// An attempt costs nobody anything then, and its end is what readers wait for. Where somebody answers, and refuses or sends
    /// what cannot be used, delays go on to grow.
    private static let longestWhileUnreachable = Duration.seconds(2)

    private var backoff: Backoff
    private var random = SystemRandomNumberGenerator()
    /// HTTP/1.1 is tried first; a primary with LiteFS 0.5 insists on HTTP/2.
    private var wireProtocol = HTTPClient.WireProtocol.http1
    /// Databases that the primary told to compare when the last stream ended.
    private var asked: Set<DatabaseName> = []
    /// Databases for which what differs came before this stream: being told to compare them again would lead nowhere.
    private var compared: Set<DatabaseName> = []
    /// Whether the next stream asks for snapshots, because comparing led nowhere.
    private var needsSnapshots = false
    /// How often in a row an answer with what differs broke off.
    var breaks = 0

    init(first delay: Duration) {
        backoff = Backoff(first: delay)
    }

    /// Connects once and stays until the stream ends, then waits as long as it should be waited.
    ///
    /// - Returns: false when the client stops.
    mutating func attempt(_ client: StreamClient) -> Bool {
        let id = NodeHeaders.text(nodeID: client.target.nodeID)
        let (present, change) = client.present
        guard let primary = present else {
            client.noteDisconnected("no primary is known")
            return client.pause(.seconds(3_600), after: change)
        }
        client.logger.info(
            "\(id): existing primary found (\(primary.hostname)), connecting as replica to \"\(primary.url)\""
        )
        var wasReady = false
        var bound: Duration?
        do {
            defer { _ = client.use(nil, for: change) }
            try stream(client, primary, change, &wasReady)
            client.noteDisconnected(nil)
            guard !client.isStopping else { return false }
            client.logger.info("\(id): disconnected from primary, retrying")
        } catch PrimaryRefusal.needsHTTP2 where wireProtocol == .http1 {
            client.logger.debug("\(id): the primary needs HTTP/2")
            wireProtocol = .http2PriorKnowledge
            return !client.isStopping
        } catch let wanted as StreamComparison {
            client.noteDisconnected(nil)
            guard !client.isStopping else { return false }
            if !compared.contains(wanted.database) {
                asked.insert(wanted.database)
                return true
            }
            needsSnapshots = true
        } catch let error as HTTPClientError where error.kind == .cancelled && !client.isStopping {
            client.noteDisconnected(nil)
            client.logger.info("\(id): disconnected from primary, which is another one now")
        } catch {
            client.noteDisconnected("\(error)")
            guard !client.isStopping else { return false }
            client.logger.warning("\(id): disconnected from primary with error, retrying: \(error)")
            // Perhaps another program serves there now.
            wireProtocol = .http1
            if Self.isUnreachable(error) { bound = Self.longestWhileUnreachable }
        }
        if wasReady { backoff.reset() }
        guard client.present.change == change else {
            // Another primary, of which nothing is known yet.
            backoff.reset()
            return !client.isStopping
        }
        return client.pause(backoff.delay(atMost: bound, using: &random), after: change)
    }

    /// Whether an attempt ended because of the way to the primary, not because of what it said.
    static func isUnreachable(_ error: any Error) -> Bool {
        switch error {
        case PrimaryRefusal.unreachable: true
        case let error as HTTPClientError: [.cannotConnect, .stalled, .interrupted].contains(error.kind)
        default: false
        }
    }

    /// Receives one stream.
    private mutating func stream(
        _ client: StreamClient,
        _ primary: StreamClient.Primary,
        _ change: Int,
        _ wasReady: inout Bool
    ) throws {
        let options = client.options
        var limits = HTTPClient.Limits()
        limits.stall = options.silence
        limits.connect = options.silence
        let http = HTTPClient(protocol: wireProtocol, limits: limits)
        guard client.use(http, for: change) else { return }

        var comparesPages = !needsSnapshots
        compared = []
        if comparesPages {
            let differences = try fetchDifferences(asked, client, primary, http)
            compared = differences.received
            comparesPages = differences.failed.isEmpty
        }
        (asked, needsSnapshots) = ([], false)
        let target = client.target
        var positions = PositionMap()
        for database in target.receivingDatabases where options.databases?.contains(database.name) ?? true {
            positions.positions[database.name] = database.positionForStream
        }
        let receiver = client.makeReceiver(positions)
        defer { wasReady = receiver.isReady }

        var status = 0
        var refusal: [UInt8] = []
        do {
            try http.stream(
                "POST",
                Self.streamURL(primary.url, options.databases),
                headers: headers(target, comparesPages: comparesPages),
                body: positions.encoded(),
                onResponse: { received, headers in
                    status = received
                    guard status == 200 else { return }
                    try join(headers[NodeHeaders.clusterID], target)
                    client.noteConnected()
                },
                onBytes: { bytes in
                    if status == 200 {
                        try receiver.take(bytes)
                    } else {
                        refusal.append(contentsOf: bytes.prefix(PrimaryRefusal.maximumText - refusal.count))
                    }
                }
            )
        } catch let error as HTTPClientError where status == 0 {
            throw PrimaryRefusal.unreachable(url: primary.url, reason: error.reason)
        }
        guard status == 200 else {
            throw PrimaryRefusal(status: status, text: refusal, url: primary.url)
        }
        try receiver.finish()
    }

    func headers(_ target: any StreamTarget, comparesPages: Bool = true) -> HTTPHeaders {
        var headers = HTTPHeaders()
        headers[NodeHeaders.nodeID] = NodeHeaders.text(nodeID: target.nodeID)
        headers[NodeHeaders.clusterID] = target.clusterID?.description
        headers[NodeHeaders.capabilities] =
            NodeHeaders.overlap + (comparesPages ? ", " + NodeHeaders.difference : "")
        return headers
    }

    /// Compares cluster IDs before the first byte is taken.
    func join(_ text: String?, _ target: any StreamTarget) throws {
        guard let text else { return }
        guard let theirs = ClusterID(text) else { throw PrimaryRefusal.invalidClusterID(text) }
        guard let ours = target.clusterID else { return try target.join(theirs) }
        guard ours == theirs else { throw PrimaryRefusal.otherCluster(ours: ours, theirs: theirs) }
    }

    /// The URL of the stream: path and query of the primary's URL do not count.
    static func streamURL(_ primaryURL: String, _ databases: Set<DatabaseName>?) -> String {
        var url = origin(of: primaryURL) + "/stream"
        if let databases {
            let names = databases.sorted().map { PercentEncoding.encoded($0.text) }
            url += "?filter=" + names.joined(separator: ",")
        }
        return url
    }

    static func differenceURL(_ primaryURL: String, _ name: DatabaseName) -> String {
        origin(of: primaryURL) + "/difference?db=" + PercentEncoding.encoded(name.text)
    }

    private static func origin(of url: String) -> String {
        guard let slashes = url.firstRange(of: "://") else { return url }
        let rest = url[slashes.upperBound...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        return String(url[..<slashes.upperBound] + authority)
    }
}
