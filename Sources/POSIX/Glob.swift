import Glibc

/// A pattern for names, as shells have them: `*`, `?` and `[…]`, which match a leading dot, too.
public struct Glob: Hashable, Sendable {
    /// The pattern; one that cannot be read is a name that stands for itself.
    public let pattern: String

    /// Takes a pattern as it is.
    public init(_ pattern: String) {
        self.pattern = pattern
    }

    /// Whether all of a name matches.
    public func matches(_ name: String) -> Bool { fnmatch(pattern, name, 0) == 0 }
}
