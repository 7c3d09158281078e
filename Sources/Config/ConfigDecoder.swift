/// Turns a YAML tree into settings, and collects everything that does not fit.
struct ConfigDecoder {
    /// How many problems of one file are reported at most.
    static let problemLimit = 20

    /// The settings so far.
    var config = Config()

    /// The line of every key that has a value, by its path; entries of lists as `exec[0].cmd`.
    var lines: [String: Int] = [:]

    /// What did not fit, in the order of the file.
    private(set) var problems: [ConfigProblem] = []

    /// Decodes a whole file.
    init(root: YAMLNode) {
        decodeSection("", root)
    }

    private mutating func decodeSection(_ section: String, _ node: YAMLNode) {
        guard !node.isNull else { return }
        let type = ConfigSchema.sections[section] ?? section
        guard case .mapping(let entries) = node.content else {
            let subject = section.isEmpty ? "the file" : section
            let remedy = "\(subject) needs keys, each on its own line with its value after a colon"
            return mismatch(node, key: section.isEmpty ? nil : section, type: type, remedy: remedy)
        }
        var seen: [String: Int] = [:]
        for entry in entries where problems.count < Self.problemLimit {
            guard case .scalar(let name, _) = entry.key.content else {
                report(entry.key.line, nil, "a key must be a word", "found \(entry.key.summary)")
                continue
            }
            if let first = seen[name] {
                report(
                    entry.key.line,
                    KeySuggestion.join(section, name),
                    "mapping key \(quoted(name)) already defined at line \(first)",
                    "\(KeySuggestion.join(section, name)) may stand only once: remove one of the two"
                )
                continue
            }
            seen[name] = entry.key.line
            decode(KeySuggestion.join(section, name), name: name, section: section, type: type, entry)
        }
    }

    private mutating func decode(
        _ path: String,
        name: String,
        section: String,
        type: String,
        _ entry: YAMLNode.Entry
    ) {
        // A name with dots is a path to us only, not in the file.
        let isName = !name.isEmpty && !name.contains(".")
        if isName, ConfigSchema.sections[path] != nil {
            decodeSection(path, entry.value)
        } else if isName, let key = ConfigSchema.keys[path] {
            guard !entry.value.isNull else { return }
            lines[path] = entry.key.line
            decodeValue(key, entry.value)
        } else {
            let shown = String(quoted(name).dropFirst().dropLast())
            report(
                entry.key.line,
                path,
                "field \(shown) not found in type \(type)",
                "\(String(quoted(path).dropFirst().dropLast())) is no setting; "
                    + KeySuggestion.remedy(for: name, in: section)
            )
        }
    }

    /// Adds the problem that a value has the wrong type.
    mutating func mismatch(_ node: YAMLNode, key: String?, type: String, remedy: String) {
        report(node.line, key, "cannot unmarshal \(node.summary) into \(type)", remedy)
    }

    /// Adds a problem, unless there are enough.
    mutating func report(_ line: Int, _ key: String?, _ message: String, _ remedy: String) {
        guard problems.count < Self.problemLimit else { return }
        problems.append(ConfigProblem(line: line, key: key, message: message, remedy: remedy))
    }
}
