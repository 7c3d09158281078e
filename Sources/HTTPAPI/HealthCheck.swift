import HTTP
import POSIX
import Replication

/// Answers GET /health/ready, whether programs should use the databases of this node, and GET /health/startup, whether they can be started.
struct HealthCheck: Sendable {
    let source: any StreamSource
    let node: any NodeView
    /// The lag up to which a replica is ready; zero for any that is known.
    let maximumLag: Duration

    /// 200 and `ready`, or 503 and the reasons, one on each line.
    func answer() -> HTTPResponse { Self.answer(reasons()) }

    /// The same for programs that are to be started: a replica with content from before may start while its primary is away.
    func startup() -> HTTPResponse {
        let hasContent = source.streamableDatabases.contains { $0.storedPosition.txid != .zero }
        return Self.answer(hasContent && node.isMounted ? [] : reasons())
    }

    private static func answer(_ reasons: [String]) -> HTTPResponse {
        reasons.isEmpty ? .text("ready\n") : .error(503, reasons.joined(separator: "\n"))
    }

    private func reasons() -> [String] {
        var reasons: [String] = []
        if !node.isMounted { reasons.append("not ready: \(node.mountPath) is not mounted yet") }
        if let problem = node.leaseProblem { reasons.append("not ready: \(problem)") }
        guard !source.isPrimary else { return reasons }
        let lag = node.lag
        if !lag.isKnown {
            reasons.append("not ready: this replica never had everything from its primary\(connection)")
        } else if maximumLag > .zero, Duration.milliseconds(lag.milliseconds) > maximumLag {
            let allowed = maximumLag.nanoseconds / 1_000_000
            reasons.append(
                "not ready: \(lag.milliseconds) ms behind the primary, at most \(allowed) ms\(connection)"
            )
        }
        return reasons
    }

    private var connection: String { node.connectionError.map { "; \($0)" } ?? "" }
}
