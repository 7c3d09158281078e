extension GoDuration {
    /// Why a text is no duration, in Go's words.
    public struct ParseFailure: Error, Equatable, Sendable, CustomStringConvertible {
        /// What is wrong with the text.
        public let description: String
    }

    /// Nanoseconds in each unit that Go knows, with both spellings of the micro sign.
    private static let units: [String: UInt64] = [
        "ns": 1, "us": 1_000, "\u{B5}s": 1_000, "\u{3BC}s": 1_000, "ms": 1_000_000,
        "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000,
    ]

    /// Reads a duration: a sign, then numbers each followed by a unit, or a bare zero.
    ///
    /// - Parameter text: For example `1h2m3.5s`, `10ms`, `-1s`, `0`.
    /// - Throws: `ParseFailure` when the text has another form or does not fit in 64 bits.
    public init(parsing text: String) throws(ParseFailure) {
        let invalid = ParseFailure(description: "time: invalid duration \(quoted(text))")
        var rest = text.unicodeScalars[...]
        let isNegative = rest.first == "-"
        if isNegative || rest.first == "+" { rest.removeFirst() }
        if rest.elementsEqual("0".unicodeScalars) {
            self.init(nanoseconds: 0)
            return
        }
        guard !rest.isEmpty else { throw invalid }

        var total: UInt64 = 0
        while !rest.isEmpty {
            guard let number = DecimalNumber(takingFrom: &rest) else { throw invalid }
            let name = String(String.UnicodeScalarView(rest.prefix { $0 != "." && !Self.isDigit($0) }))
            rest = rest.dropFirst(name.unicodeScalars.count)
            guard !name.isEmpty else {
                throw ParseFailure(description: "time: missing unit in duration \(quoted(text))")
            }
            guard let unit = Self.units[name] else {
                throw ParseFailure(
                    description: "time: unknown unit \(quoted(name)) in duration \(quoted(text))"
                )
            }
            guard let part = number.scaled(by: unit) else { throw invalid }
            let (sum, overflows) = total.addingReportingOverflow(part)
            guard !overflows else { throw invalid }
            total = sum
        }

        if isNegative && total == Int64.min.magnitude {
            self.init(nanoseconds: .min)
        } else {
            guard let value = Int64(exactly: total) else { throw invalid }
            self.init(nanoseconds: isNegative ? -value : value)
        }
    }

    fileprivate static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
}

/// A number with an optional fraction, as it stands before a unit.
private struct DecimalNumber {
    /// The digits before the point.
    var whole: UInt64 = 0

    /// The first digits after the point, as many as fit.
    var fraction: UInt64 = 0

    /// By what `fraction` is to be divided.
    var scale = 1.0

    /// Takes the number at the start of `text` off it; nil when there is none or it does not fit.
    init?(takingFrom text: inout Substring.UnicodeScalarView) {
        var digits = 0
        while let scalar = text.first, GoDuration.isDigit(scalar) {
            let (product, overflows) = whole.multipliedReportingOverflow(by: 10)
            let (sum, carries) = product.addingReportingOverflow(UInt64(scalar.value - 48))
            guard !overflows, !carries else { return nil }
            whole = sum
            digits += 1
            text.removeFirst()
        }
        if text.first == "." {
            text.removeFirst()
            while let scalar = text.first, GoDuration.isDigit(scalar) {
                if fraction < UInt64(Int64.max) / 10 {
                    fraction = fraction * 10 + UInt64(scalar.value - 48)
                    scale *= 10
                }
                digits += 1
                text.removeFirst()
            }
        }
        guard digits > 0 else { return nil }
    }

    /// The number times `unit`, without what is less than a nanosecond; nil when it does not fit.
    func scaled(by unit: UInt64) -> UInt64? {
        let (product, overflows) = whole.multipliedReportingOverflow(by: unit)
        guard !overflows else { return nil }
        let part = UInt64(Double(fraction) * (Double(unit) / scale))
        let (sum, carries) = product.addingReportingOverflow(part)
        return carries ? nil : sum
    }
}
