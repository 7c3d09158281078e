/// How important a message is.
public enum LogLevel: Int, Sendable, Comparable, CaseIterable {
    /// Details for finding a fault.
    case debug
    /// Normal operation.
    case info
    /// Something is wrong but the daemon copes.
    case warning
    /// Something failed that somebody must look at.
    case error

    /// The level as it stands in a line: `DEBUG`, `INFO`, `WARN`, `ERROR`.
    public var name: String {
        switch self {
        case .debug: "DEBUG"
        case .info: "INFO"
        case .warning: "WARN"
        case .error: "ERROR"
        }
    }

    /// Reads `debug`, `info`, `warn` (or `warning`) or `error`, in any case; nil for anything else.
    public init?(_ text: String) {
        switch text.lowercased() {
        case "debug": self = .debug
        case "info": self = .info
        case "warn", "warning": self = .warning
        case "error": self = .error
        default: return nil
        }
    }

    /// Whether `left` is less important than `right`.
    public static func < (left: LogLevel, right: LogLevel) -> Bool {
        left.rawValue < right.rawValue
    }
}
