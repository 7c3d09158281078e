import Glibc
import JSON
import LTX
import POSIX
import Synchronization

/// Nodes that agree by a Lease object who of them is the primary, each with a pod of its name.
///
/// In a namespace of the API server of its own. With a `TestNetwork` each node has a port there, else all are on loopback.
package final class LeaseCluster: Sendable {
    /// The database that the writers write.
    package static let database = "app.db"
    /// The Lease object's name.
    package static let lease = "app"

    package let folder: TestFolder
    package let account: KubernetesAccount
    package let nodes: [DaemonProcess]
    /// The ports of the nodes in the network, in their order; empty on loopback.
    package let ports: [NetworkPort]
    /// One for each node; see `startWriters`.
    package let writers: [InsistentWriter]
    /// How long the lease holds.
    package let duration: Duration
    private let watch: LeaseWatch
    private let guardian: Guardian
    private let stops = Mutex<[CommitHistory.Stop]>([])

    /// Makes the nodes' folders and pods; nothing is started.
    ///
    /// - Parameters:
    ///   - count: How many nodes there are: `n1`, `n2`, ...
    ///   - namespace: The namespace's name, new.
    ///   - api: The API server.
    ///   - network: The network of the nodes and of the API server; nil for loopback.
    ///   - seconds: How long the lease holds.
    ///   - writersOpenAgain: Whether writers open the database again after each refusal.
    ///   - configure: Changes the settings of each node.
    /// - Throws: When folders or ports cannot be had, or the API server refuses.
    package init(
        _ count: Int,
        _ namespace: String,
        of api: KubernetesAPI,
        network: TestNetwork? = nil,
        seconds: Int = 3,
        writersOpenAgain: Bool = false,
        configure: (inout NodeSettings) -> Void = { _ in }
    ) throws {
        let folder = try TestFolder()
        let account = try KubernetesAccount(namespace, of: api)
        let ports = try network.map { network in try (0..<count).map { try network.port($0 + 2) } } ?? []
        let nodes = try (0..<count)
            .map { index in
                let name = "n\(index + 1)"
                try account.makePod(name)
                let port = ports.isEmpty ? try freePort() : 20202
                var settings = NodeSettings(
                    name: name,
                    isPrimary: false,
                    in: folder.path,
                    port: port,
                    primaryPort: port
                )
                if !ports.isEmpty {
                    settings.host = ports[index].address
                    settings.namespace = ports[index].namespace
                }
                settings.primaryHost = name
                settings.environment["HOSTNAME"] = name
                settings.lease = Self.lines(settings, account, seconds)
                configure(&settings)
                return try DaemonProcess(settings)
            }
        self.folder = folder
        self.account = account
        self.nodes = nodes
        self.ports = ports
        duration = .seconds(seconds)
        writers = nodes.map { InsistentWriter($0, Self.database, opensAgain: writersOpenAgain) }
        guardian = try Guardian(nodes: nodes)
        let path = account.leasePath(Self.lease)
        watch = try LeaseWatch {
            let (status, object) = try api.ask("GET", path)
            return status == 200 ? object : nil
        }
    }

    /// The section `lease` of a node's settings.
    private static func lines(
        _ settings: NodeSettings,
        _ account: KubernetesAccount,
        _ seconds: Int
    ) -> [String] {
        [
            "type: kubernetes", "advertise-url: \"http://\(settings.host):\(settings.port)\"",
            "reconnect-delay: 100ms",
            "kubernetes: {name: \(lease), namespace: \(account.namespace), duration: \(seconds)s, "
                + "url: \"\(account.api.url)\", token-file: \"\(account.tokenFile)\", "
                + "ca-file: \"\(account.credentials)/ca.crt\"}",
        ]
    }

    // MARK: - Life

    /// Starts all nodes at once and waits until they are ready.
    package func start() throws {
        for node in nodes { try node.start(until: .running) }
        for node in nodes { try node.wait(for: .ready) }
    }

    /// Makes the database, and starts a writer on each node when all have it.
    package func startWriters(journalMode: String = "wal") throws {
        let primary = try primary()
        try primary.sqlite3(Self.database, "PRAGMA journal_mode=\(journalMode);" + InsistentWriter.schema)
        for node in nodes where node !== primary { try waitForSamePosition(Self.database, primary, node) }
        for writer in writers { try writer.start() }
        _ = try firstCommit(after: .now)
    }

    /// Ends all nodes in order, the primary last, and expects that nothing is left.
    package func stop() throws {
        guardian.begin(.seconds(40))
        defer { guardian.end() }
        for writer in writers { try writer.kill() }
        let last = try? primary()
        for node in nodes where node !== last { try node.stop() }
        try last?.stop()
        try eventually("nothing is left: \(folder.leftovers)", within: .seconds(5)) {
            folder.leftovers.isEmpty
        }
    }

    /// Ends whatever runs, by force.
    package func destroy() {
        watch.stop()
        guardian.stop()
        for node in nodes {
            signal(node, SIGCONT)
            try? node.kill()
            node.removeDeadMount()
        }
        for writer in writers { try? writer.kill() }
    }

    /// Like `Cluster.guarded`.
    package func guarded<Result>(
        _ limit: Duration,
        _ body: () async throws -> Result
    ) async rethrows -> Result {
        guardian.begin(limit)
        defer { guardian.end() }
        return try await body()
    }

    /// The ends of all logs.
    package var logs: String {
        nodes.map { "---- log of \($0.settings.name)\n" + String($0.log.suffix(5000)) }
            .joined(separator: "\n")
    }

    // MARK: - Trouble

    /// Ends all processes of a node, and its writer, in the same moment, as the end of its pod would.
    package func kill(_ node: DaemonProcess) throws {
        let daemon = node.daemonPID
        node.current?.send(SIGKILL)
        if let daemon { Glibc.kill(daemon, SIGKILL) }
        try writer(of: node).kill()
        try node.kill()
    }

    /// Starts a node again, and its writer when the node is ready.
    package func restart(_ node: DaemonProcess) throws {
        try node.start()
        try writer(of: node).start()
    }

    /// Stops all processes of a node as they are, until `resume`; not its writer.
    package func suspend(_ node: DaemonProcess) {
        // The supervisor first, which would think that the daemon died.
        signal(node, SIGSTOP)
        let now = BootTime.now
        stops.withLock {
            $0.append(CommitHistory.Stop(node.settings.name, from: now, to: BootTime(nanoseconds: .max)))
        }
    }

    /// Lets a node go on.
    package func resume(_ node: DaemonProcess) {
        let now = BootTime.now
        stops.withLock { stops in
            if let last = stops.lastIndex(where: { $0.node == node.settings.name }) { stops[last].end = now }
        }
        signal(node, SIGCONT)
    }

    private func signal(_ node: DaemonProcess, _ signal: Int32) {
        let daemon = node.daemonPID
        node.current?.send(signal)
        if let daemon { Glibc.kill(daemon, signal) }
    }

    // MARK: - Questions

    /// The node of a name.
    package func node(_ name: String) throws -> DaemonProcess {
        try required(nodes.first { $0.settings.name == name }, "a node of the name \(name)")
    }

    /// The writer of a node.
    package func writer(of node: DaemonProcess) throws -> InsistentWriter {
        try required(writers.first { $0.node === node }, "a writer of \(node.settings.name)")
    }

    /// The Lease object.
    package func leaseObject() throws -> JSONValue {
        try account.api.demand("GET", account.leasePath(Self.lease))
    }

    /// How often the lease changed hands.
    package func transitions() throws -> Int64 {
        try required(try leaseObject()["spec"]?["leaseTransitions"]?.integer, "the Lease has transitions")
    }

    /// The host name of who holds the lease; empty when nobody does.
    package func holder() throws -> String {
        let object = try leaseObject()
        guard object["spec"]?["holderIdentity"]?.string?.isEmpty == false else { return "" }
        return object["metadata"]?["annotations"]?["litefs.io/hostname"]?.string ?? ""
    }

    /// Waits for a node that holds the lease and says that it is the primary.
    ///
    /// - Parameters:
    ///   - former: A node that is none any more.
    ///   - limit: The longest time.
    /// - Returns: The node.
    /// - Throws: When there is none in time.
    package func primary(
        except former: DaemonProcess? = nil,
        within limit: Duration = .seconds(15)
    ) throws -> DaemonProcess {
        var (found, holder): (DaemonProcess?, String) = (nil, "")
        try eventually(
            "another primary than \(former?.settings.name ?? "none"); holder \(holder)",
            within: limit
        ) {
            holder = try self.holder()
            guard !holder.isEmpty, holder != former?.settings.name else { return false }
            let node = try self.node(holder)
            guard (try? node.info()["isPrimary"]) == .boolean(true) else { return false }
            found = node
            return true
        }
        return try required(found, "a primary")
    }

    /// Waits for a commit that any writer is told of after a moment.
    package func firstCommit(
        after moment: BootTime,
        except former: DaemonProcess? = nil,
        within limit: Duration = .seconds(15)
    ) throws -> CommitHistory.Acknowledgment {
        var first: CommitHistory.Acknowledgment?
        try eventually("a commit on another node than \(former?.settings.name ?? "none")", within: limit) {
            first = writers.filter { $0.node !== former }.compactMap { $0.first(after: moment) }
                .min { $0.returned < $1.returned }
            return first != nil
        }
        return try required(first, "a commit")
    }

    /// All that was acknowledged so far, and who held the lease meanwhile.
    package func history() throws -> CommitHistory {
        var history = CommitHistory()
        history.acknowledgments = writers.flatMap(\.acknowledgments)
        history.terms = try watch.terms()
        history.stops = stops.withLock { $0 }
        return history
    }

    // MARK: - The end of a test

    /// Ends the writers, and expects that one node is the primary, that all have the same content, and that the history is in order.
    ///
    /// - Returns: The commits that are missing and set aside, by node.
    @discardableResult
    package func expectOneHistory() throws -> [String: [CommitHistory.Acknowledgment]] {
        for writer in writers { try writer.kill() }
        let primary = try primary()
        for node in nodes where node !== primary {
            try expectConverged(Self.database, primary, node, isReplayed: false, within: .seconds(20))
        }
        let primaries = try nodes.filter { try $0.info()["isPrimary"] == .boolean(true) }.map(\.settings.name)
        try check(primaries == [primary.settings.name], "one primary, not \(primaries)")

        let history = try history()
        let loss = history.loss(present: try rows(on: primary), setAside: try setAside())
        let findings = history.order().findings + loss.findings
        try check(findings.isEmpty, "a history in order: \(findings.prefix(5).joined(separator: "\n"))")
        return loss.missing
    }

    private func rows(on primary: DaemonProcess) throws -> [String: Set<Int64>] {
        let output = try primary.sqlite3(Self.database, "SELECT node, number FROM acknowledged;")
        var rows: [String: Set<Int64>] = [:]
        for line in output.split(separator: "\n") {
            let words = line.split(separator: "|")
            guard words.count == 2, let number = Int64(words[1]) else { continue }
            rows[String(words[0]), default: []].insert(number)
        }
        return rows
    }

    /// How many transactions each node has set aside.
    package func setAside() throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for node in nodes {
            let folder = node.settings.dataFolder + "/dbs/\(Self.database)/diverged"
            guard Files.exists(folder) else { continue }
            // A second file of a name has a number behind it.
            let names = try Files.list(folder).compactMap { LTXFileName(String($0.name.prefix(37))) }
            for name in names {
                counts[node.settings.name, default: 0] += Int(
                    name.maxTXID.rawValue - name.minTXID.rawValue + 1
                )
            }
        }
        return counts
    }
}
