/// The decoded target of a request line (RFC 9112, section 3.2): path and query.
package struct RequestTarget {
    package let path: String
    package let query: [(name: String, value: String)]

    /// Decodes a target in origin form, or the path of one in absolute form.
    ///
    /// Nil when an escape is malformed, the text is not UTF-8, or contains NUL.
    package init?(_ target: [UInt8]) {
        var rest = target[...]
        if rest.first != UInt8(ascii: "/"), let path = Self.pathOfAbsolute(rest) { rest = path }
        if let fragment = rest.firstIndex(of: UInt8(ascii: "#")) { rest = rest[..<fragment] }
        let mark = rest.firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
        guard let path = Self.decode(rest[..<mark], plusIsSpace: false) else { return nil }

        var query: [(name: String, value: String)] = []
        for pair in rest[mark...].dropFirst().split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            guard let name = Self.decode(pair[..<equals], plusIsSpace: true),
                let value = Self.decode(pair[equals...].dropFirst(), plusIsSpace: true)
            else { return nil }
            query.append((name: name, value: value))
        }
        self.path = path
        self.query = query
    }

    private static func pathOfAbsolute(_ target: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard target.starts(with: "http://".utf8) else { return nil }
        let rest = target.dropFirst("http://".utf8.count)
        return rest.firstIndex(of: UInt8(ascii: "/")).map { rest[$0...] } ?? ArraySlice("/".utf8)
    }

    private static func decode(_ bytes: ArraySlice<UInt8>, plusIsSpace: Bool) -> String? {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            var byte = bytes[index]
            if byte == UInt8(ascii: "%") {
                guard index + 2 < bytes.endIndex, let high = hexadecimal(bytes[index + 1]),
                    let low = hexadecimal(bytes[index + 2])
                else { return nil }
                byte = high << 4 | low
                index += 2
            } else if byte == UInt8(ascii: "+"), plusIsSpace {
                byte = UInt8(ascii: " ")
            }
            guard byte != 0 else { return nil }
            decoded.append(byte)
            index += 1
        }
        return String(validating: decoded, as: UTF8.self)
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        Character(Unicode.Scalar(byte)).hexDigitValue.map { UInt8($0) }
    }
}
