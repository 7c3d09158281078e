/// Replaces `$NAME` and `${…}` in the text of a configuration file by values from the environment.
///
/// The whole text is expanded before it is read as YAML, comments and quoted strings included. The forms are those
/// of Go's `os.Expand` plus comparisons inside braces:
///
///     $NAME  ${NAME}            the value, or nothing when NAME is not set
///     ${NAME == 'x'}            true or false; also != and double quotes
///     ${NAME == OTHER}          compares two variables: a bare word is a name, not a text
///     $$  $1  $*  ${#}          one-character names, which are hardly ever set: they vanish
///     ${}  ${ without an end    vanish (the second one only its two characters)
///     $ before anything else    stays
///
/// There are no defaults: `${NAME:-x}` is the variable called `NAME:-x`.
public enum EnvironmentExpansion {
    /// Expands every reference in `text`.
    ///
    /// - Parameters:
    ///   - text: The text of the file.
    ///   - limit: The expansion stops soon after the result has more UTF-8 bytes than this, so that large values
    ///     which are used often cannot take all memory. The result is then longer than `limit`.
    ///   - lookup: Gives the value of a variable, nil when it is not set.
    /// - Returns: The text with every reference replaced.
    public static func expand(_ text: String, limit: Int = .max, lookup: (String) -> String?) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count && result.count <= limit {
            guard bytes[index] == UInt8(ascii: "$"), index + 1 < bytes.count else {
                result.append(bytes[index])
                index += 1
                continue
            }
            let reference = Reference(in: bytes, after: index)
            switch reference.name {
            case .some(let name): result += value(of: name, lookup: lookup).utf8
            case nil where reference.width == 0: result.append(bytes[index])
            case nil: break
            }
            index += 1 + reference.width
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// The value of what stands in braces or after the dollar sign: a comparison or a name.
    private static func value(of expression: String, lookup: (String) -> String?) -> String {
        let trimmed = trimmingSpace(expression)
        guard let comparison = Comparison(trimmed) else { return lookup(trimmed) ?? "" }
        let left = lookup(comparison.name) ?? ""
        let right: String
        switch comparison.operand {
        case .literal(let text): right = text
        case .variable(let name): right = lookup(name) ?? ""
        }
        return String((left == right) == comparison.expectsEquality)
    }

    private static func trimmingSpace(_ text: String) -> String {
        var scalars = text.unicodeScalars[...]
        while let first = scalars.first, first.properties.isWhitespace { scalars.removeFirst() }
        while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
        return String(scalars)
    }
}

/// The name that follows a dollar sign, and how many bytes it takes with its braces.
private struct Reference {
    /// The name; nil when nothing usable follows.
    var name: String?

    /// The number of bytes after the dollar sign that belong to the reference.
    var width: Int

    /// Reads the reference after the dollar sign at `dollar`, which is not the last byte.
    init(in bytes: [UInt8], after dollar: Int) {
        let start = dollar + 1
        let first = bytes[start]
        if first == UInt8(ascii: "{") {
            let body = bytes[(start + 1)...]
            guard let end = body.firstIndex(of: UInt8(ascii: "}")) else {
                width = 1
                return
            }
            width = end + 1 - start
            if end > start + 1 { name = String(decoding: bytes[(start + 1)..<end], as: UTF8.self) }
        } else if Self.isSpecial(first) {
            name = String(UnicodeScalar(first))
            width = 1
        } else {
            let word = bytes[start...].prefix(while: Comparison.isWordByte)
            width = word.count
            if !word.isEmpty { name = String(decoding: word, as: UTF8.self) }
        }
    }

    private static func isSpecial(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "*"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "@"): true
        case UInt8(ascii: "!"), UInt8(ascii: "?"), UInt8(ascii: "-"): true
        default: false
        }
    }
}

/// A comparison inside braces: a name, `==` or `!=`, and a quoted text or another name.
private struct Comparison {
    enum Operand {
        case literal(String)
        case variable(String)
    }

    let name: String
    let expectsEquality: Bool
    let operand: Operand

    /// Reads a comparison; nil when the text is none, and then it is a name.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        let nameBytes = bytes.prefix(while: Self.isWordByte)
        guard !nameBytes.isEmpty else { return nil }
        let rest = bytes[nameBytes.endIndex...].drop(while: Self.isSpaceByte)
        guard rest.count > 2, rest[rest.startIndex + 1] == UInt8(ascii: "=") else { return nil }
        switch rest[rest.startIndex] {
        case UInt8(ascii: "="): expectsEquality = true
        case UInt8(ascii: "!"): expectsEquality = false
        default: return nil
        }
        name = String(decoding: nameBytes, as: UTF8.self)

        let right = rest.dropFirst(2).drop(while: Self.isSpaceByte)
        guard let first = right.first, let last = right.last else { return nil }
        if first == UInt8(ascii: "'") || first == UInt8(ascii: "\"") {
            guard right.count >= 2, first == last, !right.contains(UInt8(ascii: "\n")) else { return nil }
            operand = .literal(String(decoding: right.dropFirst().dropLast(), as: UTF8.self))
        } else {
            guard right.allSatisfy(Self.isWordByte) else { return nil }
            operand = .variable(String(decoding: right, as: UTF8.self))
        }
    }

    static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
        default: false
        }
    }

    private static func isSpaceByte(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || (byte >= 9 && byte <= 13 && byte != 11)
    }
}
