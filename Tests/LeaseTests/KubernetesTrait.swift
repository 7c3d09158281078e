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
        let api = try KubernetesAPI()
        do {
            try await KubernetesAPI.$shared.withValue(api) { try await function() }
        } catch {
            try api.stop()
            throw error
        }
        try api.stop()
    }
}

extension Trait where Self == KubernetesTrait {
    /// One API server for the suite.
    static var kubernetes: KubernetesTrait { KubernetesTrait() }
}
