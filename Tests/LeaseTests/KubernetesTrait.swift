import Harness
import Testing

/// Gives a suite one Kubernetes API server for all its tests.
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
