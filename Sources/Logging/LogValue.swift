/// The value of an attribute of a log line; literals convert by themselves.
public enum LogValue: Sendable, Equatable {
    /// Text.
    case string(String)
    /// A whole number.
    case integer(Int64)
    /// A number.
    case number(Double)
    /// `true` or `false`.
    case boolean(Bool)
}

extension LogValue: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral
{
    /// Wraps text.
    public init(stringLiteral value: String) {
        self = .string(value)
    }

    /// Wraps a whole number.
    public init(integerLiteral value: Int64) {
        self = .integer(value)
    }

    /// Wraps a number.
    public init(floatLiteral value: Double) {
        self = .number(value)
    }

    /// Wraps a truth value.
    public init(booleanLiteral value: Bool) {
        self = .boolean(value)
    }
}
