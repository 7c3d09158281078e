import Glibc
import POSIX
import Synchronization
import Testing

/// A primary and its replicas on loopback.
final class Cluster: Sendable {
    /// The cluster of the suite whose test is running.
    @TaskLocal static var shared: Cluster?

    let folder: TestFolder
    let primary: DaemonProcess
    let replicas: [DaemonProcess]
    private let guardian: Guardian

    /// Makes the nodes' folders; nothing is started.
    ///
    /// - Parameters:
    ///   - count: How many replicas there are.
    ///   - configure: Changes the settings of each node.
    /// - Throws: When folders or ports cannot be had.
    init(replicas count: Int = 1, configure: (inout NodeSettings) -> Void = { _ in }) throws {
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
    var nodes: [DaemonProcess] { [primary] + replicas }

    /// The first replica.
    var replica: DaemonProcess {
        get throws { try #require(replicas.first) }
    }

    /// The cluster of the suite.
    static func current() throws -> Cluster { try #require(shared, "the suite has the trait .cluster") }

    /// Starts all nodes and waits until they are ready.
    func start() throws {
        try primary.start()
        for replica in replicas { try replica.start() }
    }

    /// Does something that must be done within a time; then the daemons are killed, so that nothing waits for ever.
    func guarded<Result>(_ limit: Duration, _ body: () async throws -> Result) async rethrows -> Result {
        guardian.begin(limit)
        defer { guardian.end() }
        return try await body()
    }

    /// Ends all nodes in order and expects that nothing is left.
    func stop() throws {
        guardian.begin(.seconds(30))
        defer { guardian.end() }
        for node in replicas + [primary] { try node.stop() }
        try eventually("nothing is left: \(folder.leftovers)", within: .seconds(5)) {
            folder.leftovers.isEmpty
        }
    }

    /// Ends whatever runs, by force.
    func destroy() {
        guardian.stop()
        for node in nodes {
            try? node.kill()
            node.removeDeadMount()
        }
    }

    /// The ends of all logs.
    var logs: String {
        nodes.map { "---- log of \($0.settings.name)\n" + String($0.log.suffix(3000)) }
            .joined(separator: "\n")
    }
}

/// Starts a cluster for one test, expects that it ends well, and leaves nothing behind in any case.
///
/// - Parameters:
///   - replicas: How many replicas there are.
///   - limit: The longest time, after which the daemons are killed.
///   - isStarted: Whether the nodes are started before `body`.
///   - configure: Changes the settings of each node.
///   - body: The test.
/// - Throws: When the cluster cannot be made or does not end well.
func withCluster(
    replicas: Int = 1,
    limit: Duration = .seconds(60),
    isStarted: Bool = true,
    configure: (inout NodeSettings) -> Void = { _ in },
    _ body: (Cluster) throws -> Void
) async throws {
    let cluster = try Cluster(replicas: replicas, configure: configure)
    defer { cluster.destroy() }
    try await Cluster.$shared.withValue(cluster) {
        await cluster.guarded(limit) {
            do {
                if isStarted { try cluster.start() }
                try body(cluster)
            } catch is ExpectationFailedError {
                // Recorded already.
            } catch {
                Issue.record(error)
            }
        }
        try cluster.stop()
    }
}
