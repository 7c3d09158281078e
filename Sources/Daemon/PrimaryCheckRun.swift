import HTTP
import Logging
import POSIX

/// Asks a primary's advertised URL, on a thread of its own, until somebody answers.
///
/// In Kubernetes a pod's name is not known to anybody before the pod is ready, so a first failure means nothing.
final class PrimaryCheckRun: Sendable {
    private static let attempts = 12
    private static let pause: Duration = .seconds(5)

    private let client: HTTPClient
    private let thread: Thread

    init(_ check: PrimaryCheck, logger: Logger, stopRequest: StopRequest) {
        var limits = HTTPClient.Limits()
        limits.request = .seconds(10)
        limits.responseBody = 64 << 10
        let client = HTTPClient(limits: limits)
        self.client = client
        thread = Thread("primary-check") {
            for _ in 0..<Self.attempts {
                do {
                    let response = try client.request("GET", check.infoURL)
                    let nodeID = response.headers["Litefs-Id"]
                    let answer = PrimaryCheck.Answer(nodeID: nodeID, body: response.body)
                    if let problem = check.problem(with: answer) { logger.error(problem) }
                    return
                } catch {
                    logger.debug("cannot ask the advertised URL who is there, which may pass: \(error)")
                }
                if stopRequest.wait(for: Self.pause) { return }
            }
        }
    }

    /// Ends it; returns when the thread has ended.
    func stop() {
        client.cancel()
        thread.join()
    }
}
