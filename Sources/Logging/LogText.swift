/// Quoting in text lines, by the rules of Go's `slog` text handler: quoted only when a reader could misunderstand it.
enum LogText {
    static func append(_ text: String, to line: inout [UInt8]) {
        if needsQuotes(text) {
            appendQuoted(text, to: &line)
        } else {
            line.append(contentsOf: text.utf8)
        }
    }

    private static func needsQuotes(_ text: String) -> Bool {
        text.isEmpty
            || text.unicodeScalars.contains { scalar in
                switch scalar {
                case " ", "=", "\"", "\u{FFFD}": true
                case "\u{7F}": false
                default: !isPrintable(scalar)
                }
            }
    }

    private static func appendQuoted(_ text: String, to line: inout [UInt8]) {
        line.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\":
                line.append(UInt8(ascii: "\\"))
                line.append(UInt8(truncatingIfNeeded: scalar.value))
            case "\u{7}": line.append(contentsOf: "\\a".utf8)
            case "\u{8}": line.append(contentsOf: "\\b".utf8)
            case "\u{B}": line.append(contentsOf: "\\v".utf8)
            case "\u{C}": line.append(contentsOf: "\\f".utf8)
            case "\n": line.append(contentsOf: "\\n".utf8)
            case "\r": line.append(contentsOf: "\\r".utf8)
            case "\t": line.append(contentsOf: "\\t".utf8)
            case _ where isPrintable(scalar):
                line.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            case _ where scalar.value < 0x80: appendHex(scalar, prefix: "\\x", digits: 2, to: &line)
            case _ where scalar.value < 0x1_0000: appendHex(scalar, prefix: "\\u", digits: 4, to: &line)
            default: appendHex(scalar, prefix: "\\U", digits: 8, to: &line)
            }
        }
        line.append(UInt8(ascii: "\""))
    }

    private static func appendHex(
        _ scalar: Unicode.Scalar,
        prefix: String,
        digits: Int,
        to line: inout [UInt8]
    ) {
        let text = String(scalar.value, radix: 16)
        line.append(contentsOf: prefix.utf8)
        line.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: digits - text.utf8.count))
        line.append(contentsOf: text.utf8)
    }

    /// Letters, marks, numbers, punctuation, symbols, and the plain space.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x80 { return (0x20..<0x7F).contains(scalar.value) }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
            .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .letterNumber, .otherNumber,
            .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation, .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol:
            return true
        default:
            return false
        }
    }
}
