/// A value of a YAML document and where it stands.
struct YAMLNode: Equatable {
    /// What a value holds.
    enum Content: Equatable {
        /// A single value. Only a plain (unquoted) text can be a bool, a number or null.
        case scalar(String, isPlain: Bool)

        /// A list.
        case sequence([YAMLNode])

        /// Keys and values in the order of the file; keys may occur twice.
        case mapping([Entry])
    }

    /// A key of a mapping and its value.
    struct Entry: Equatable {
        let key: YAMLNode
        let value: YAMLNode
    }

    /// What the value holds.
    let content: Content

    /// The line the value begins in, counted from 1.
    let line: Int

    /// Whether the value is written as nothing, `~` or `null`.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// The value the way error messages show it: its YAML type and, for a short text, the text.
    var summary: String {
        switch content {
        case .sequence: return "!!seq"
        case .mapping: return "!!map"
        case .scalar(let text, let isPlain):
            let shown = quoted(text, limit: 40).dropFirst().dropLast()
            return "\(isPlain ? plainTag(text) : "!!str") `\(shown)`"
        }
    }

    /// The type that YAML's core schema gives an unquoted text.
    private func plainTag(_ text: String) -> String {
        if isNull { return "!!null" }
        if ["true", "True", "TRUE", "false", "False", "FALSE"].contains(text) { return "!!bool" }
        if Int(text) != nil { return "!!int" }
        let numeric = text.utf8.allSatisfy { ($0 >= 48 && $0 <= 57) || "+-.eE".utf8.contains($0) }
        return numeric && Double(text) != nil ? "!!float" : "!!str"
    }

    /// Whether the value is a text to YAML, not a bool, a number or null.
    var isString: Bool { summary.hasPrefix("!!str") }
}
