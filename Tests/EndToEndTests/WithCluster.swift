import Harness
import Testing

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
