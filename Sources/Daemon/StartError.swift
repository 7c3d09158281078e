/// Why a node did not start.
public enum StartError: Error, CustomStringConvertible, Sendable {
    /// It was asked to end before it was ready.
    case interrupted

    /// A step failed: what could not be done, and why.
    case failed(step: String, reason: String)

    /// The text after `ERROR: `.
    public var description: String {
        switch self {
        case .interrupted: "stopped before the start was complete"
        case .failed(let step, let reason): "cannot \(step): \(reason)"
        }
    }
}
