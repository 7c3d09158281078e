import Harness
import Testing

/// Gives a suite one cluster for all its tests: started before the first, ended well after the last.
struct ClusterTrait: SuiteTrait, TestTrait, TestScoping {
    /// How many replicas there are.
    let replicas: Int
    /// The longest time for one test.
    let limit: Duration
    /// The primary's `fuse.passthrough`; nil for what all tests use.
    var passthrough: String?

    let isRecursive = true

    func scopeProvider(for test: Test, testCase: Test.Case?) -> ClusterTrait? {
        test.isSuite || testCase != nil ? self : nil
    }

    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        if !test.isSuite {
            return try await Cluster.current().guarded(limit) { try await function() }
        }
        let cluster = try Cluster(replicas: replicas) { settings in
            if let passthrough, settings.isPrimary { settings.passthrough = passthrough }
        }
        defer { cluster.destroy() }
        try await cluster.guarded(.seconds(60)) { try cluster.start() }
        try await Cluster.$shared.withValue(cluster) { try await function() }
        try cluster.stop()
    }
}

extension Trait where Self == ClusterTrait {
    /// One cluster for the suite.
    ///
    /// - Parameters:
    ///   - replicas: How many replicas there are.
    ///   - limit: The longest time for one test; then the daemons are killed.
    ///   - passthrough: The primary's `fuse.passthrough`; nil for what all tests use.
    /// - Returns: The trait.
    static func cluster(
        replicas: Int = 1,
        limit: Duration = .seconds(60),
        passthrough: String? = nil
    ) -> ClusterTrait {
        ClusterTrait(replicas: replicas, limit: limit, passthrough: passthrough)
    }
}

extension Trait where Self == IssueHandlingTrait {
    /// Shows the daemons' logs with every failure.
    static var logsOnFailure: IssueHandlingTrait {
        .compactMapIssues { issue in
            if let cluster = Cluster.shared {
                print("---- \(issue)\n\(cluster.logs)\n----")
            }
            return issue
        }
    }
}
