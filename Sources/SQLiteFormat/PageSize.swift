/// The size of a database's pages: a power of two between 512 and 65,536 bytes.
public struct PageSize: Hashable, Sendable {
    /// The size in bytes.
    ///
    /// The database header stores 65,536 as 1, because its field has 16 bits; this value is never in that form.
    public let rawValue: UInt32

    /// Creates a page size, or nothing when SQLite knows no such size.
    @inlinable
    public init?(_ bytes: UInt32) {
        guard (512...65_536).contains(bytes), bytes.nonzeroBitCount == 1 else { return nil }
        rawValue = bytes
    }

    /// The size in bytes, for counts and offsets in memory.
    @inlinable
    public var bytes: Int {
        Int(rawValue)
    }

    /// The page that holds SQLite's lock bytes, which start at offset 1 GiB.
    ///
    /// SQLite never stores content there, so it has no checksum and is never part of a transaction.
    @inlinable
    public var lockPage: PageNumber {
        PageNumber(0x4000_0000 / rawValue + 1)
    }
}
