/// The number of a transaction of one database.
///
/// The first transaction is 1; 0 stands for the time before it. Its text is sixteen lower-case hex digits.
public struct TXID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The number as it stands in LTX files.
    public let rawValue: UInt64

    /// The time before the first transaction.
    public static let zero = TXID(0)

    /// Creates a transaction ID from the value in a file.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Creates a transaction ID from its value.
    @inlinable
    public init(_ value: UInt64) {
        rawValue = value
    }

    /// Reads exactly sixteen lower-case hex digits.
    public init?(hex text: some StringProtocol) {
        guard let value = UInt64(hexDigits: text) else { return nil }
        rawValue = value
    }

    /// The next transaction; nothing after the last possible one.
    public var next: TXID? {
        rawValue < .max ? TXID(rawValue + 1) : nil
    }

    /// Sixteen lower-case hex digits.
    public var description: String {
        rawValue.hexDigits
    }

    /// Orders transactions as they were committed.
    @inlinable
    public static func < (left: TXID, right: TXID) -> Bool {
        left.rawValue < right.rawValue
    }
}
