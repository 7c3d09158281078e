/// Finds the key that was probably meant by an unknown one.
enum KeySuggestion {
    /// The remedy for a key that is not known: the key meant, where the key belongs, or the keys there are.
    ///
    /// - Parameters:
    ///   - name: The unknown key.
    ///   - section: The path of the section it stands in; empty at the top.
    /// - Returns: The remedy, without a full stop.
    static func remedy(for name: String, in section: String) -> String {
        let siblings = children[section, default: []]
        let path = join(section, name)
        let isPath = ConfigSchema.keys[path] != nil || ConfigSchema.sections[path] != nil
        if isPath, let dot = name.lastIndex(of: ".") {
            let key = name[name.index(after: dot)...]
            return "write \(name[..<dot]): on a line of its own and \(key): below it, indented"
        }
        let plain = normalized(name)
        if let nearest = nearest(to: plain, among: siblings) {
            return "did you mean \(join(section, nearest))?"
        }
        let elsewhere = paths.filter { $0 == plain || $0.hasSuffix("." + plain) }
        if !elsewhere.isEmpty {
            return "did you mean \(elsewhere.sorted().joined(separator: " or "))?"
        }
        return "the keys of \(section.isEmpty ? "the file" : section) are \(siblings.joined(separator: ", "))"
    }

    /// The path of a key in a section.
    static func join(_ section: String, _ name: String) -> String {
        section.isEmpty ? name : "\(section).\(name)"
    }

    /// The paths of all keys and sections but the top.
    private static let paths =
        Array(ConfigSchema.keys.keys) + ConfigSchema.sections.keys.filter { !$0.isEmpty }

    /// The keys and sections that may stand in a section, sorted, by the path of the section.
    private static let children: [String: [String]] = {
        var children: [String: [String]] = [:]
        for path in paths {
            let dot = path.lastIndex(of: ".")
            let name = dot.map { path[path.index(after: $0)...] } ?? path[...]
            children[dot.map { String(path[..<$0]) } ?? "", default: []].append(String(name))
        }
        return children.mapValues { $0.sorted() }
    }()

    /// The name that differs from `plain` by the fewest letters, if it is at most one in three; the first of equals.
    private static func nearest(to plain: String, among names: [String]) -> String? {
        var nearest: (name: String, distance: Int)?
        for name in names {
            let limit = max(1, min(plain.utf8.count, name.utf8.count) / 3)
            // Each letter that one has more is one to insert.
            guard abs(plain.utf8.count - name.utf8.count) <= limit else { continue }
            let distance = distance(plain, normalized(name))
            if distance <= limit, distance < nearest?.distance ?? .max { nearest = (name, distance) }
        }
        return nearest?.name
    }

    /// Lower case, with dashes for underscores and nothing beyond the length of any key.
    private static func normalized(_ name: String) -> String {
        String(name.prefix(64).lowercased().map { $0 == "_" || $0 == " " ? "-" : $0 })
    }

    /// The number of letters to insert, remove, replace or swap with the neighbour to turn one into the other.
    ///
    /// Letters beyond ASCII, which no key has, count as their bytes in UTF-8.
    static func distance(_ left: String, _ right: String) -> Int {
        let left = Array(left.utf8)
        let right = Array(right.utf8)
        guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for row in 1...left.count {
            var current = [row]
            current.reserveCapacity(right.count + 1)
            for column in 1...right.count {
                let replacement = last[column - 1] + (left[row - 1] == right[column - 1] ? 0 : 1)
                var best = min(current[column - 1] + 1, last[column] + 1, replacement)
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1]
                {
                    best = min(best, beforeLast[column - 2] + 1)
                }
                current.append(best)
            }
            beforeLast = last
            last = current
        }
        return last[right.count]
    }
}
