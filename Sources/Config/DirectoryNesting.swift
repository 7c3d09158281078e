/// Finds out whether the mount and the data folder lie in one another, which would make the daemon wait for itself.
enum DirectoryNesting {
    /// How two folders lie to each other.
    enum Relation: Equatable {
        case apart
        case same
        case firstInsideSecond
        case secondInsideFirst
    }

    /// Compares two absolute paths without links, `.` and `..`.
    static func relation(_ first: String, _ second: String) -> Relation {
        let left = first.split(separator: "/")
        let right = second.split(separator: "/")
        if left == right { return .same }
        if left.starts(with: right) { return .firstInsideSecond }
        if right.starts(with: left) { return .secondInsideFirst }
        return .apart
    }

    /// The place a path leads to, although the end of it may not exist yet.
    ///
    /// The longest beginning of the path that exists is resolved by the system; the rest is only text.
    ///
    /// - Parameters:
    ///   - path: Absolute, or relative to the current folder.
    ///   - realPath: Gives the absolute path without links of something that exists, nil otherwise.
    /// - Returns: An absolute path without links, `.` and `..`.
    static func resolve(_ path: String, realPath: (String) -> String?) -> String {
        var existing = path.split(separator: "/").map(String.init)
        let start = path.hasPrefix("/") ? "/" : ""
        var missing: [String] = []
        while true {
            let prefix = start + existing.joined(separator: "/")
            if let found = realPath(prefix.isEmpty ? "." : prefix) {
                return append(missing, to: found)
            }
            guard let last = existing.popLast() else { return append(missing, to: "/") }
            missing.insert(last, at: 0)
        }
    }

    /// Adds names to a resolved path, taking `.` and `..` as text.
    private static func append(_ names: [String], to base: String) -> String {
        var parts = base.split(separator: "/").map(String.init)
        for name in names where name != "." {
            if name == ".." {
                _ = parts.popLast()
            } else {
                parts.append(name)
            }
        }
        return "/" + parts.joined(separator: "/")
    }
}
