extension ConfigDecoder {
    /// Stores the value of a key, or reports why it cannot be one.
    mutating func decodeValue(_ key: ConfigSchema.Key, _ node: YAMLNode) {
        switch key.target {
        case .bool(let place):
            if let value = bool(key.path, node) { config[keyPath: place] = value }
        case .text(let place):
            if let value = text(key.path, node) { config[keyPath: place] = value }
        case .integer(let place):
            if let value = integer(key.path, node) { config[keyPath: place] = value }
        case .duration(let place):
            if let value = duration(key.path, node) { config[keyPath: place] = value }
        case .address(let place):
            if let value = address(key.path, node) { config[keyPath: place] = value }
        case .optionalAddress(let place):
            if case .scalar("", _) = node.content { return }
            if let value = address(key.path, node) { config[keyPath: place] = value }
        case .texts(let place):
            config[keyPath: place] = texts(key.path, node)
        case .commands(let place):
            config[keyPath: place] = commands(key.path, node)
        }
    }

    private mutating func bool(_ path: String, _ node: YAMLNode) -> Bool? {
        if case .scalar(let text, let isPlain) = node.content {
            switch text {
            case "y", "Y", "yes", "on": return true
            case "n", "N", "no", "off": return false
            case "true", "True", "TRUE": if isPlain { return true }
            case "false", "False", "FALSE": if isPlain { return false }
            default: break
            }
            if !isPlain, Swift.Bool(text.lowercased()) != nil {
                mismatch(
                    node,
                    key: path,
                    type: "bool",
                    remedy: "remove the quotes around the value of \(path)"
                )
                return nil
            }
        }
        mismatch(node, key: path, type: "bool", remedy: "\(path) needs true or false")
        return nil
    }

    private mutating func text(_ path: String, _ node: YAMLNode) -> String? {
        guard case .scalar(let text, _) = node.content else {
            mismatch(node, key: path, type: "string", remedy: "\(path) needs one text, not a list or keys")
            return nil
        }
        guard !text.unicodeScalars.contains("\0") else {
            report(node.line, path, "\(path) contains a NUL character", "remove it")
            return nil
        }
        return text
    }

    private mutating func integer(_ path: String, _ node: YAMLNode) -> Int? {
        if case .scalar(let text, isPlain: true) = node.content, let value = Int32(text), value >= 0 {
            return Int(value)
        }
        mismatch(node, key: path, type: "int", remedy: "\(path) needs a whole number, 0 or more")
        return nil
    }

    private mutating func duration(_ path: String, _ node: YAMLNode) -> GoDuration? {
        guard case .scalar(let text, _) = node.content else {
            mismatch(node, key: path, type: "time.Duration", remedy: "\(path) needs a duration such as 10s")
            return nil
        }
        do {
            return try GoDuration(parsing: text)
        } catch {
            mismatch(
                node,
                key: path,
                type: "time.Duration",
                remedy:
                    "\(error); \(path) needs a number and a unit (ns, us, ms, s, m, h), such as 10s or 1m30s"
            )
            return nil
        }
    }

    private mutating func address(_ path: String, _ node: YAMLNode) -> ListenAddress? {
        guard let text = text(path, node) else { return nil }
        do {
            return try ListenAddress(parsing: text)
        } catch {
            report(
                node.line,
                path,
                "\(error)",
                "\(path) needs HOST:PORT, or :PORT for all addresses, such as :20202"
            )
            return nil
        }
    }

    private mutating func texts(_ path: String, _ node: YAMLNode) -> [String] {
        guard case .sequence(let elements) = node.content else {
            mismatch(
                node,
                key: path,
                type: "[]string",
                remedy: "\(path) needs a list, such as [\"first\", \"second\"]"
            )
            return []
        }
        var result: [String] = []
        for (index, element) in elements.enumerated() {
            let elementPath = "\(path)[\(index)]"
            lines[elementPath] = element.line
            guard let value = text(elementPath, element) else { continue }
            if value.isEmpty || element.isNull {
                report(
                    element.line,
                    elementPath,
                    "\(elementPath) is empty",
                    "write a text or remove the entry"
                )
            } else {
                result.append(value)
            }
        }
        return result
    }

    private mutating func commands(_ path: String, _ node: YAMLNode) -> [Config.Command] {
        switch node.content {
        case .scalar(let text, _) where node.isString:
            return [Config.Command(cmd: text)]
        case .sequence(let elements):
            var result: [Config.Command] = []
            for (index, element) in elements.enumerated() {
                if let value = command("\(path)[\(index)]", element) { result.append(value) }
            }
            return result
        default:
            report(
                node.line,
                path,
                "invalid exec config format",
                "found \(node.summary), but \(path) needs one command line, or a list of entries with "
                    + "cmd and if-candidate"
            )
            return []
        }
    }

    private mutating func command(_ path: String, _ node: YAMLNode) -> Config.Command? {
        let type = "main.ExecConfig"
        guard case .mapping(let entries) = node.content else {
            mismatch(node, key: path, type: type, remedy: "write the entry as - cmd: \"PROGRAM ARGUMENTS\"")
            return nil
        }
        let problemsBefore = problems.count
        var cmd: String?
        var ifCandidate = false
        var seen: Set<String> = []
        for entry in entries {
            guard case .scalar(let name, _) = entry.key.content else {
                report(entry.key.line, path, "a key must be a word", "found \(entry.key.summary)")
                continue
            }
            let keyPath = "\(path).\(name)"
            guard seen.insert(name).inserted else {
                report(
                    entry.key.line,
                    keyPath,
                    "mapping key \(quoted(name)) already defined",
                    "remove one of the two"
                )
                continue
            }
            switch name {
            case "cmd":
                lines[keyPath] = entry.value.line
                cmd = entry.value.isNull ? nil : text(keyPath, entry.value)
            case "if-candidate":
                if !entry.value.isNull { ifCandidate = bool(keyPath, entry.value) ?? false }
            default:
                let shown = quoted(name).dropFirst().dropLast()
                report(
                    entry.key.line,
                    keyPath,
                    "field \(shown) not found in type \(type)",
                    "the keys of \(path) are cmd, if-candidate"
                )
            }
        }
        guard let cmd else {
            if problems.count == problemsBefore {
                report(
                    node.line,
                    path,
                    "\(path) has no cmd",
                    "write the command line as cmd: \"PROGRAM ARGUMENTS\""
                )
            }
            return nil
        }
        return Config.Command(cmd: cmd, ifCandidate: ifCandidate)
    }
}
