/// The number of a page in a database file, counted from 1.
///
/// Page `n` of a database with pages of `s` bytes occupies the bytes `(n - 1) * s ..< n * s` (SQLite file
/// format, section 1.2). The type can hold 0, which is no page; formats use it as an end mark.
public struct PageNumber: RawRepresentable, Hashable, Comparable, Sendable {
    /// The number as SQLite writes it: 1 is the page with the database header.
    public let rawValue: UInt32

    /// The page with the database header.
    public static let first = PageNumber(1)

    /// Creates a page number from the 32-bit value in a file.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Creates a page number from its value.
    @inlinable
    public init(_ value: UInt32) {
        rawValue = value
    }

    /// Orders pages as they lie in the database file.
    @inlinable
    public static func < (left: PageNumber, right: PageNumber) -> Bool {
        left.rawValue < right.rawValue
    }
}
