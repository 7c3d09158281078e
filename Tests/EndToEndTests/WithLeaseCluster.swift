import Harness
import POSIX
import Testing

/// Gives a suite one Kubernetes API server for all its tests, on loopback.
struct KubernetesTrait: SuiteTrait, TestScoping {
    func scopeProvider(for test: Test, testCase: Test.Case?) -> KubernetesTrait? { test.isSuite ? self : nil }

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        try await KubernetesAPI.share(function)
    }
}

extension Trait where Self == KubernetesTrait {
    /// One API server for the suite.
    static var kubernetes: KubernetesTrait { KubernetesTrait() }
}

/// Starts nodes whose lease can move for one test, with writers on all of them, and leaves nothing behind in any case.
///
/// What fails is shown with the nodes' logs.
///
/// - Parameters:
///   - count: How many nodes there are.
///   - namespace: The namespace's name, new.
///   - api: The API server; nil for the suite's.
///   - network: Where the nodes are; nil for loopback.
///   - journalMode: The journal mode of the database that is written; nil for no database and no writers.
///   - limit: The longest time, after which the daemons are killed.
///   - isStarted: Whether the nodes are started before `body`.
///   - configure: Changes the settings of each node.
///   - body: The test.
/// - Throws: When the cluster cannot be made or does not end well.
func withLeaseCluster(
    _ count: Int,
    _ namespace: String,
    of api: KubernetesAPI? = nil,
    network: TestNetwork? = nil,
    journalMode: String? = "wal",
    limit: Duration = .seconds(90),
    isStarted: Bool = true,
    configure: (inout NodeSettings) -> Void = { _ in },
    _ body: (LeaseCluster) throws -> Void
) async throws {
    let cluster = try LeaseCluster(
        count,
        namespace,
        of: try api ?? KubernetesAPI.current(),
        network: network,
        writersOpenAgain: journalMode == "delete",
        configure: configure
    )
    defer { cluster.destroy() }
    await cluster.guarded(limit) {
        do {
            if isStarted {
                try cluster.start()
                if let journalMode { try cluster.startWriters(journalMode: journalMode) }
            }
            try body(cluster)
        } catch {
            if !(error is ExpectationFailedError) { Issue.record(error) }
            print("---- \(error)\n\(cluster.logs)\n----")
        }
    }
    try cluster.stop()
}
