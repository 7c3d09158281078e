/// The text of single JSON values (RFC 8259, sections 6 and 7).
public enum JSONText {
    private static let hex = Array("0123456789abcdef".utf8)

    /// Appends `string` in quotes, with everything escaped that must be.
    ///
    /// U+2028 and U+2029 are escaped too, because JavaScript takes them for line ends. With `escapesHTML` also
    /// `<`, `>` and `&`.
    public static func appendQuoted(_ string: String, escapesHTML: Bool, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"", "\\":
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(UInt8(truncatingIfNeeded: scalar.value))
            case "\n": bytes.append(contentsOf: "\\n".utf8)
            case "\r": bytes.append(contentsOf: "\\r".utf8)
            case "\t": bytes.append(contentsOf: "\\t".utf8)
            case "\u{8}": bytes.append(contentsOf: "\\b".utf8)
            case "\u{C}": bytes.append(contentsOf: "\\f".utf8)
            case "\0"..<" ", "\u{2028}", "\u{2029}":
                appendEscape(scalar, to: &bytes)
            case "<", ">", "&":
                if escapesHTML {
                    appendEscape(scalar, to: &bytes)
                } else {
                    bytes.append(UInt8(truncatingIfNeeded: scalar.value))
                }
            default:
                bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func appendEscape(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: "\\u".utf8)
        for shift in stride(from: 12, through: 0, by: -4) {
            bytes.append(hex[Int(scalar.value >> UInt32(shift)) & 0xF])
        }
    }

    /// The shortest text that reads back as the same number: plain digits from 1e-6 up to 1e21, else an exponent.
    ///
    /// Infinite values and values that are not a number give `null`.
    public static func number(_ value: Double) -> String {
        guard value.isFinite else { return "null" }
        if value == 0 { return value.sign == .minus ? "-0" : "0" }
        let sign = value < 0 ? "-" : ""
        // Swift prints the shortest digits that are exact, but switches to exponents at other sizes.
        let parts = value.magnitude.description.split(separator: "e", maxSplits: 1)
        let mantissa = parts[0].split(separator: ".", maxSplits: 1)
        let fraction = mantissa.count > 1 && mantissa[1] != "0" ? String(mantissa[1]) : ""
        let written = String(mantissa[0]) + fraction
        let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let leading = written.prefix { $0 == "0" }.count
        var digits = String(written.dropFirst(leading))
        // Position of the decimal point, counted from before the first digit.
        let point = mantissa[0].count + exponent - leading
        while digits.last == "0" { digits.removeLast() }

        if point < -5 || point > 21 {
            let rest = digits.dropFirst()
            let power = point - 1
            return sign + digits.prefix(1) + (rest.isEmpty ? "" : "." + rest) + "e"
                + (power < 0 ? "-" : "+") + String(abs(power))
        }
        if point <= 0 {
            return sign + "0." + String(repeating: "0", count: -point) + digits
        }
        if digits.count <= point {
            return sign + digits + String(repeating: "0", count: point - digits.count)
        }
        return sign + digits.prefix(point) + "." + digits.dropFirst(point)
    }
}
