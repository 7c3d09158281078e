/// Settings together with where they came from.
public struct LoadedConfig: Equatable, Sendable {
    /// The settings.
    public var config: Config

    /// The absolute path of the file, or the path as it was asked for.
    public let path: String

    /// Whether the file was found by searching, upon which LiteFS prints `config file read from PATH`.
    public let isFromSearch: Bool

    /// What the operator should know, one line each.
    public let warnings: [String]

    /// The line of every key that the file sets, by its path.
    private(set) var lines: [String: Int]

    /// The line at which the file sets a key, counted from 1; nil when it does not.
    public func line(of key: String) -> Int? { lines[key] }

    /// Replaces everything under `exec` by one command that came from elsewhere.
    public mutating func replaceExec(with command: String) {
        config.exec = [Config.Command(cmd: command)]
        lines = lines.filter { !$0.key.hasPrefix("exec") }
    }
}
