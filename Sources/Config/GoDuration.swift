/// A length of time in whole nanoseconds, read and written in Go's notation (`10s`, `1m30s`, `-1.5h`).
///
/// The range is that of a signed 64-bit count of nanoseconds, about 292 years in both directions.
public struct GoDuration: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The length in nanoseconds.
    public let nanoseconds: Int64

    /// Makes a duration of that many nanoseconds.
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// No time at all.
    public static let zero = GoDuration(nanoseconds: 0)

    /// Makes a duration of whole milliseconds.
    public static func milliseconds(_ count: Int32) -> GoDuration {
        GoDuration(nanoseconds: Int64(count) * 1_000_000)
    }

    /// Makes a duration of whole seconds.
    public static func seconds(_ count: Int32) -> GoDuration {
        GoDuration(nanoseconds: Int64(count) * 1_000_000_000)
    }

    /// Makes a duration of whole minutes.
    public static func minutes(_ count: Int32) -> GoDuration {
        GoDuration(nanoseconds: Int64(count) * 60_000_000_000)
    }

    /// The same length as the standard library's type.
    public var duration: Duration { .nanoseconds(nanoseconds) }

    /// Whether the first length is the shorter one.
    public static func < (left: GoDuration, right: GoDuration) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The notation Go prints: hours, minutes and seconds from one second on, one smaller unit below.
    public var description: String {
        let magnitude = nanoseconds.magnitude
        let sign = nanoseconds < 0 ? "-" : ""
        if magnitude == 0 { return "0s" }
        if magnitude < 1_000 { return "\(sign)\(magnitude)ns" }
        if magnitude < 1_000_000 { return sign + Self.decimal(magnitude, digits: 3) + "µs" }
        if magnitude < 1_000_000_000 { return sign + Self.decimal(magnitude, digits: 6) + "ms" }
        let minutes = magnitude / 60_000_000_000
        let seconds = Self.decimal(magnitude % 60_000_000_000, digits: 9) + "s"
        if minutes == 0 { return sign + seconds }
        if minutes < 60 { return "\(sign)\(minutes)m\(seconds)" }
        return "\(sign)\(minutes / 60)h\(minutes % 60)m\(seconds)"
    }

    /// Writes `value / 10^digits` without zeros at the end of the fraction.
    private static func decimal(_ value: UInt64, digits: Int) -> String {
        var scale: UInt64 = 1
        for _ in 0..<digits { scale *= 10 }
        var fraction = String(value % scale)
        fraction = String(repeating: "0", count: digits - fraction.count) + fraction
        while fraction.last == "0" { fraction.removeLast() }
        return fraction.isEmpty ? "\(value / scale)" : "\(value / scale).\(fraction)"
    }
}
