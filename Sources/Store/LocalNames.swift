import POSIX

/// Names in the mount's root folder that stay on this node whatever their content is: the setting `data.local`.
///
/// A file of such a name is never a database, and nothing of it is replicated. Programs use it as in any folder, on replicas, too.
///
/// The name of the database decides for the files beside it: `a.tmp-wal` stays because `a.tmp` does, and no pattern makes a
/// log local whose database is not.
public struct LocalNames: Sendable {
    private let globs: [Glob]

    /// What SQLite appends to the name of a database file for those beside it.
    private static let suffixes = DatabaseFileKind.sidecars.map(\.suffix)

    /// Takes shell patterns.
    public init(_ patterns: [String]) {
        globs = patterns.map { Glob($0) }
    }

    /// Whether a name is matched itself, and not as that of a file beside a database.
    public func matches(_ name: String) -> Bool { globs.contains { $0.matches(name) } }

    /// Whether a file or folder with this name in the root folder stays on this node.
    public func contains(_ name: String) -> Bool {
        if globs.isEmpty { return false }
        let suffix = Self.suffixes.first { name.hasSuffix($0) && name != $0 }
        let base = String(name.dropLast(suffix?.count ?? 0))
        return globs.contains { $0.matches(base) }
    }
}
