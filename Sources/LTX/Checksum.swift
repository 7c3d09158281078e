/// A checksum as LTX stores it: 63 bits of CRC-64/GO-ISO, or of an XOR of such, under a flag in bit 63.
///
/// The flag says that there is a checksum. A database's checksum is the XOR of the checksums of its pages without
/// the lock page, with the flag set, so pages can be put in and taken out in any order. Its text is
/// sixteen lower-case hex digits.
public struct Checksum: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The value as it stands in LTX files, with the flag.
    public let rawValue: UInt64

    /// The bit that every checksum has.
    public static let flag: UInt64 = 1 << 63

    /// The checksum of a database without pages.
    public static let empty = Checksum(rawValue: flag)

    /// No checksum: the value of fields that must have none.
    public static let zero = Checksum(rawValue: 0)

    /// Creates a checksum from the value in a file, with or without the flag.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Reads exactly sixteen lower-case hex digits, with or without the flag.
    public init?(hex text: some StringProtocol) {
        guard let value = UInt64(hexDigits: text) else { return nil }
        rawValue = value
    }

    /// Whether the flag is set.
    @inlinable
    public var isFlagged: Bool {
        rawValue & Self.flag != 0
    }

    /// The database checksum with a page put in, or taken out if it was in.
    @inlinable
    public func toggling(_ page: Checksum) -> Checksum {
        Checksum(rawValue: rawValue ^ page.rawValue | Self.flag)
    }

    /// Puts a page's checksum into the database checksum, or takes it out if it was in.
    @inlinable
    public mutating func toggle(_ page: Checksum) {
        self = toggling(page)
    }

    /// Sixteen lower-case hex digits.
    public var description: String {
        rawValue.hexDigits
    }
}
