/// Why no settings could be had.
///
/// All cases end the program with exit code 2.
public enum ConfigError: Error, Equatable, Sendable, CustomStringConvertible {
    /// No file was found at any of the paths that were searched.
    case notFound(searched: [String])

    /// The file is there, or was asked for, but cannot be read.
    case unreadable(path: String, reason: String)

    /// The file is larger than `limit` bytes, before or after environment variables were expanded.
    case tooLarge(path: String, limit: Int, isExpanded: Bool)

    /// The file says nothing.
    case empty(path: String)

    /// The text is no YAML that we read.
    case syntax(path: String, line: Int, message: String)

    /// Keys are unknown or have values of the wrong type. At least one problem, each with its line.
    case fields(path: String, problems: [ConfigProblem])

    /// The settings do not make sense together. At least one problem; the first is the one LiteFS would name.
    case invalid([ConfigProblem])

    /// The settings are right but ask for something this program cannot do yet.
    case notBuilt(ConfigProblem)

    /// The whole message, of one line or, with several problems, of one line for each.
    public var description: String {
        switch self {
        case .notFound(let searched):
            return "config file not found; looked for \(searched.joined(separator: ", ")); "
                + "write one of them, or name a file with -config PATH"
        case .unreadable(let path, let reason):
            return "cannot read config file at \(path): \(reason)"
        case .tooLarge(let path, let limit, let isExpanded):
            let moment = isExpanded ? " after environment variables were expanded" : ""
            return
                "cannot read config file at \(path): larger than \(limit) bytes\(moment); is this a litefs.yml?"
        case .empty(let path):
            return "EOF: the config file at \(path) is empty; it needs at least "
                + "lease: {type: static, candidate: true} on a single node"
        case .syntax(let path, let line, let message):
            return "cannot unmarshal config file at \(path): yaml: line \(line): \(message)"
        case .fields(let path, let problems):
            let lines = problems.map { problem in
                "\n  " + (problem.line.map { "line \($0): " } ?? "") + problem.message + "; " + problem.remedy
            }
            return "cannot unmarshal config file at \(path): yaml: unmarshal errors:" + lines.joined()
        case .invalid(let problems):
            return problems.map(\.description).joined(separator: "\n")
        case .notBuilt(let problem):
            return problem.description
        }
    }
}
