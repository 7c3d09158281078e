/// Finds the key that was probably meant by an unknown one.
enum KeySuggestion {
    /// The remedy for a key that is not known: the key meant, where the key belongs, or the keys there are.
    ///
    /// - Parameters:
    ///   - name: The unknown key.
    ///   - section: The path of the section it stands in; empty at the top.
    /// - Returns: The remedy, without a full stop.
    static func remedy(for name: String, in section: String) -> String {
        let siblings = names(in: section)
        let path = join(section, name)
        let isPath = ConfigSchema.keys[path] != nil || ConfigSchema.sections[path] != nil
        if isPath, let dot = name.lastIndex(of: ".") {
            let key = name[name.index(after: dot)...]
            return "write \(name[..<dot]): on a line of its own and \(key): below it, indented"
        }
        let plain = normalized(name)
        let nearest = siblings.map { (name: $0, distance: distance(plain, normalized($0))) }
            .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
        if let nearest, nearest.distance <= max(1, min(plain.count, nearest.name.count) / 3) {
            return "did you mean \(join(section, nearest.name))?"
        }
        let elsewhere = (Array(ConfigSchema.keys.keys) + ConfigSchema.sections.keys)
            .filter {
                $0 == plain || $0.hasSuffix("." + plain)
            }
        if !elsewhere.isEmpty {
            return "did you mean \(elsewhere.sorted().joined(separator: " or "))?"
        }
        return "the keys of \(section.isEmpty ? "the file" : section) are \(siblings.joined(separator: ", "))"
    }

    /// The path of a key in a section.
    static func join(_ section: String, _ name: String) -> String {
        section.isEmpty ? name : "\(section).\(name)"
    }

    /// The keys and sections that may stand in a section, sorted.
    private static func names(in section: String) -> [String] {
        let prefix = section.isEmpty ? "" : section + "."
        let paths = Array(ConfigSchema.keys.keys) + ConfigSchema.sections.keys
        return paths.filter { $0.hasPrefix(prefix) && $0.count > prefix.count }
            .map { String($0.dropFirst(prefix.count)) }
            .filter { !$0.contains(".") }
            .sorted()
    }

    /// Lower case, with dashes for underscores and nothing beyond the length of any key.
    private static func normalized(_ name: String) -> String {
        String(name.prefix(64).lowercased().map { $0 == "_" || $0 == " " ? "-" : $0 })
    }

    /// The number of characters to insert, remove, replace or swap with the neighbour to turn one into the other.
    static func distance(_ left: String, _ right: String) -> Int {
        let left = Array(left)
        let right = Array(right)
        guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for row in 1...left.count {
            var current = [row]
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
