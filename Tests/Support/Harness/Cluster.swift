import Glibc
import POSIX
import Synchronization

/// A primary and its replicas on loopback.
package final class Cluster: Sendable {
    /// The cluster of the suite whose test is running.
    @TaskLocal package static var shared: Cluster?

    package let folder: TestFolder
    package let primary: DaemonProcess
    package let replicas: [DaemonProcess]
    private let guardian: Guardian

    /// Makes the nodes' folders; nothing is started.
    ///
    /// - Parameters:
    ///   - count: How many replicas there are.
    ///   - configure: Changes the settings of each node.
    /// - Throws: When folders or ports cannot be had.
    package init(replicas count: Int = 1, configure: (inout NodeSettings) -> Void = { _ in }) throws {
        let folder = try TestFolder()
        let primaryPort = try freePort()
        func node(_ name: String, isPrimary: Bool) throws -> DaemonProcess {
            var settings = NodeSettings(
                name: name,
                isPrimary: isPrimary,
                in: folder.path,
                port: isPrimary ? primaryPort : try freePort(),
                primaryPort: primaryPort
            )
            configure(&settings)
            return try DaemonProcess(settings)
        }
        let primary = try node("primary", isPrimary: true)
        let replicas = try (0..<count).map { try node("replica\($0 + 1)", isPrimary: false) }
        self.folder = folder
        self.primary = primary
        self.replicas = replicas
        guardian = try Guardian(nodes: [primary] + replicas)
    }

    /// All nodes.
    package var nodes: [DaemonProcess] { [primary] + replicas }

    /// The first replica.
    package var replica: DaemonProcess {
        get throws { try required(replicas.first, "the cluster has a replica") }
    }

    /// The cluster of the suite.
    package static func current() throws -> Cluster {
        try required(shared, "the suite has the trait .cluster")
    }

    /// Starts all nodes and waits until they are ready.
    package func start() throws {
        try primary.start()
        for replica in replicas { try replica.start() }
    }

    /// Runs a program to its end, which must be a good one.
    package func run(_ arguments: [String]) throws {
        let outcome = try Outcome.of(arguments, in: folder.path)
        try check(outcome.exit == .code(0), "\(arguments): \(outcome.output.suffix(500))\(outcome.errors)")
    }

    /// Does something that must be done within a time; then the daemons are killed, so that nothing waits for ever.
    package func guarded<Result>(
        _ limit: Duration,
        _ body: () async throws -> Result
    ) async rethrows -> Result {
        guardian.begin(limit)
        defer { guardian.end() }
        return try await body()
    }

    /// Like `guarded`, for code that does not suspend.
    package func limited<Result>(_ limit: Duration, _ body: () throws -> Result) rethrows -> Result {
        guardian.begin(limit)
        defer { guardian.end() }
        return try body()
    }

    /// Ends all nodes in order and expects that nothing is left.
    package func stop() throws {
        guardian.begin(.seconds(30))
        defer { guardian.end() }
        for node in replicas + [primary] { try node.stop() }
        try eventually("nothing is left: \(folder.leftovers)", within: .seconds(5)) {
            folder.leftovers.isEmpty
        }
    }

    /// Ends whatever runs, by force.
    package func destroy() {
        guardian.stop()
        for node in nodes {
            try? node.kill()
            node.removeDeadMount()
        }
    }

    /// The ends of all logs.
    package var logs: String {
        nodes.map { "---- log of \($0.settings.name)\n" + String($0.log.suffix(3000)) }
            .joined(separator: "\n")
    }
}

/// Makes a cluster, does something with it, ends it well, and leaves nothing behind in any case.
///
/// - Parameters:
///   - replicas: How many replicas there are.
///   - limit: The longest time for `body`, after which the daemons are killed, so that nothing waits for ever.
///   - isStarted: Whether the nodes are started before `body`.
///   - configure: Changes the settings of each node.
///   - body: What is done.
/// - Returns: What `body` returns.
/// - Throws: What `body` throws, with the ends of the daemons' logs; a `Finding` when a node does not end well.
package func withNodes<Result>(
    replicas: Int = 1,
    limit: Duration = .seconds(120),
    isStarted: Bool = true,
    configure: (inout NodeSettings) -> Void = { _ in },
    _ body: (Cluster) throws -> Result
) throws -> Result {
    let cluster = try Cluster(replicas: replicas, configure: configure)
    defer { cluster.destroy() }
    do {
        let result = try cluster.limited(limit) {
            if isStarted { try cluster.start() }
            return try body(cluster)
        }
        try cluster.stop()
        return result
    } catch {
        throw Finding("\(error)\n\(cluster.logs)")
    }
}
