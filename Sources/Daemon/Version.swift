import POSIX

/// The version of this program.
public enum Version {
    /// The number, by semantic versioning.
    public static let number = "0.1.0"

    /// The line that `litefs version` prints, and the daemon at its start.
    public static var text: String { text(commit: CurrentProcess.buildCommit) }

    static func text(commit: String?) -> String {
        "LiteFS v\(number), " + (commit.map { "commit=\($0)" } ?? "development build")
    }
}
