import Logging
import POSIX

/// The labels by which a Service finds the primary's pod; set when there is time, tried again until it works.
///
/// Used by one thread.
struct LeaseLabels {
    /// How long after a failure it is tried again.
    private static let retry = Duration.seconds(10)

    private let service: any LeaseService
    private let own: String
    private let logger: Logger
    private var wanted: [(pod: String, isPrimary: Bool)] = []
    private var next: BootTime?
    private var hasTold = false

    init(_ service: any LeaseService, own: String, _ logger: Logger) {
        self.service = service
        self.own = own
        self.logger = logger
    }

    /// This node's pod is what `role` says.
    mutating func want(_ role: Role) { add(own, role == .primary) }

    /// Another pod is no longer the primary's, and may be unable to say so.
    mutating func forget(_ pod: String) { add(pod, false) }

    private mutating func add(_ pod: String, _ isPrimary: Bool) {
        guard !pod.isEmpty else { return }
        wanted.removeAll { $0.pod == pod }
        wanted.append((pod, isPrimary))
        next = nil
    }

    /// Sets what is to be set.
    ///
    /// - Returns: when it is to be called again; nil when all is done.
    mutating func advance() -> BootTime? {
        if let next, BootTime.now < next { return next }
        while let (pod, isPrimary) = wanted.first {
            do throws(LeaseError) {
                try service.label(pod: pod, isPrimary: isPrimary)
            } catch .refused(let reason) where pod != own {
                // It is gone, as pods go.
                logger.debug("the label of pod \(pod) cannot be changed: \(reason)")
            } catch {
                if !hasTold, error != .cancelled {
                    logger.warning(
                        "pod \(pod) cannot be labelled, so a Service does not find the primary by its label; trying again: \(error)"
                    )
                }
                hasTold = true
                next = BootTime.now + Self.retry
                return next
            }
            wanted.removeFirst()
        }
        if hasTold { logger.info("pods are labelled again") }
        hasTold = false
        return nil
    }
}
