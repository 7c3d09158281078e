extension JSONValue {
    /// The deepest nesting of arrays and objects that is read.
    public static let maximumDepth = 64

    /// Reads one JSON value (RFC 8259) that fills the whole text, white space around it aside.
    ///
    /// Throws when the text is longer than `limit` bytes, nested deeper than `maximumDepth`, not UTF-8, has a name
    /// twice in one object, or is no JSON.
    public static func parse(_ text: [UInt8], limit: Int = 16 << 20) throws(JSONError) -> JSONValue {
        guard text.count <= limit else {
            throw JSONError(offset: limit, reason: "longer than \(limit) bytes")
        }
        var parser = JSONParser(text: text)
        return try parser.document()
    }

    /// Reads one JSON value that fills the whole text.
    public static func parse(_ text: String, limit: Int = 16 << 20) throws(JSONError) -> JSONValue {
        try parse(Array(text.utf8), limit: limit)
    }
}

/// A recursive-descent reader; its recursion is bounded by `JSONValue.maximumDepth`.
private struct JSONParser {
    let text: [UInt8]
    var offset = 0

    init(text: [UInt8]) {
        self.text = text
    }

    mutating func document() throws(JSONError) -> JSONValue {
        let value = try value(depth: 0)
        skipSpace()
        guard offset == text.count else { throw error("unexpected text after the value") }
        return value
    }

    private func error(_ reason: String) -> JSONError {
        JSONError(offset: offset, reason: reason)
    }

    private var next: UInt8? { offset < text.count ? text[offset] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { offset += 1 }
    }

    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: byte) else { return false }
        offset += 1
        return true
    }

    private mutating func expect(_ byte: Unicode.Scalar) throws(JSONError) {
        guard take(byte) else { throw error("expected \(byte)") }
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        skipSpace()
        guard let next else { throw error("the text ends where a value is expected") }
        switch next {
        case UInt8(ascii: "{"): return .object(try members(depth: depth + 1))
        case UInt8(ascii: "["): return .array(try elements(depth: depth + 1))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .boolean(true))
        case UInt8(ascii: "f"): return try literal("false", .boolean(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        default: throw error("expected a value")
        }
    }

    private mutating func literal(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
        guard text[offset...].starts(with: word.utf8) else { throw error("expected \(word)") }
        offset += word.utf8.count
        return value
    }

    private func checkDepth(_ depth: Int) throws(JSONError) {
        guard depth <= JSONValue.maximumDepth else {
            throw error("nested deeper than \(JSONValue.maximumDepth) levels")
        }
    }

    private mutating func elements(depth: Int) throws(JSONError) -> [JSONValue] {
        try checkDepth(depth)
        try expect("[")
        skipSpace()
        if take("]") { return [] }
        var elements: [JSONValue] = []
        while true {
            elements.append(try value(depth: depth))
            skipSpace()
            if take("]") { return elements }
            try expect(",")
        }
    }

    private mutating func members(depth: Int) throws(JSONError) -> [JSONMember] {
        try checkDepth(depth)
        try expect("{")
        skipSpace()
        if take("}") { return [] }
        var members: [JSONMember] = []
        var names: Set<String> = []
        while true {
            skipSpace()
            let name = try string()
            guard names.insert(name).inserted else { throw error("the name \(name) occurs twice") }
            skipSpace()
            try expect(":")
            members.append(JSONMember(name: name, value: try value(depth: depth)))
            skipSpace()
            if take("}") { return members }
            try expect(",")
        }
    }

    private mutating func digits() throws(JSONError) {
        let start = offset
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { offset += 1 }
        if offset == start { throw error("expected a digit") }
    }

    private mutating func number() throws(JSONError) -> String {
        let start = offset
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") { try digits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try digits()
        }
        return String(decoding: text[start..<offset], as: UTF8.self)
    }

    private mutating func string() throws(JSONError) -> String {
        let start = offset
        try expect("\"")
        var bytes: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                offset += 1
                guard let string = String(validating: bytes, as: UTF8.self) else {
                    throw JSONError(offset: start, reason: "a string is not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"):
                offset += 1
                try escape(to: &bytes)
            case 0..<0x20:
                throw error("control character in a string")
            default:
                bytes.append(byte)
                offset += 1
            }
        }
        throw error("the text ends inside a string")
    }

    private mutating func escape(to bytes: inout [UInt8]) throws(JSONError) {
        guard let kind = next else { throw error("the text ends inside a string") }
        offset += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(kind)
        case UInt8(ascii: "b"): bytes.append(0x08)
        case UInt8(ascii: "f"): bytes.append(0x0C)
        case UInt8(ascii: "n"): bytes.append(0x0A)
        case UInt8(ascii: "r"): bytes.append(0x0D)
        case UInt8(ascii: "t"): bytes.append(0x09)
        case UInt8(ascii: "u"): bytes.append(contentsOf: String(try escapedScalar()).utf8)
        default:
            offset -= 1
            throw error("unknown escape in a string")
        }
    }

    /// The character of `\uXXXX`, or of two of them that form a surrogate pair; stands after the first `u`.
    private mutating func escapedScalar() throws(JSONError) -> Character {
        let first = try codeUnit()
        if let scalar = Unicode.Scalar(UInt32(first)) { return Character(scalar) }
        guard UTF16.isLeadSurrogate(first), take("\\"), take("u") else {
            throw error("half a surrogate pair in a string")
        }
        let second = try codeUnit()
        guard UTF16.isTrailSurrogate(second),
            let scalar = Unicode.Scalar(0x1_0000 + ((UInt32(first) & 0x3FF) << 10) + (UInt32(second) & 0x3FF))
        else { throw error("half a surrogate pair in a string") }
        return Character(scalar)
    }

    private mutating func codeUnit() throws(JSONError) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw error("expected four hexadecimal digits")
            }
            unit = unit << 4 | UInt16(digit)
            offset += 1
        }
        return unit
    }
}
