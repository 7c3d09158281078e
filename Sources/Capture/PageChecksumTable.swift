import LTX
import SQLiteFormat

/// One checksum for each committed page of a database, and the database checksum, which is their XOR.
///
/// A commit costs what it changes: the old checksum of each changed page is taken out of the XOR, the new one put in.
/// The lock page has no checksum. 8 bytes a page.
public struct PageChecksumTable: Sendable {
    /// Size of all pages; nil while there is no page.
    public private(set) var pageSize: PageSize?
    /// Checksums; page 1 at index 0; 0 where none is known (the lock page, or a page never seen).
    public private(set) var checksums: [UInt64] = []
    private var xor: UInt64 = 0

    /// The table of an empty database.
    public init() {}

    /// A table with the given page size and no pages.
    public init(pageSize: PageSize) {
        self.pageSize = pageSize
    }

    /// A table from saved checksums.
    public init(pageSize: PageSize, checksums: [UInt64]) {
        self.pageSize = pageSize
        self.checksums = checksums
        for checksum in checksums { xor ^= checksum }
    }

    /// Pages of the database.
    public var pageCount: UInt32 { UInt32(checksums.count) }

    /// The database checksum (`1 << 63 | XOR`); `Checksum.empty` without pages.
    public var databaseChecksum: Checksum { Checksum(rawValue: xor | Checksum.flag) }

    /// Checksum of a page, or nil when none is known.
    public subscript(page: PageNumber) -> Checksum? {
        let index = Int(page.rawValue) - 1
        guard checksums.indices.contains(index), checksums[index] != 0 else { return nil }
        return Checksum(rawValue: checksums[index])
    }

    /// Notes the new checksum of a page, extending the table where it is beyond its end.
    public mutating func set(_ page: PageNumber, _ checksum: Checksum) {
        precondition(page.rawValue > 0, "pages are counted from 1")
        let index = Int(page.rawValue) - 1
        if index >= checksums.count {
            checksums.append(contentsOf: repeatElement(0, count: index + 1 - checksums.count))
        }
        xor ^= checksums[index] ^ checksum.rawValue
        checksums[index] = checksum.rawValue
    }

    /// Sets the number of pages: drops the checksums of pages beyond it, or extends with unknown ones.
    public mutating func resize(to pageCount: UInt32) {
        let count = Int(pageCount)
        if count < checksums.count {
            for index in count..<checksums.count { xor ^= checksums[index] }
            checksums.removeLast(checksums.count - count)
        } else {
            checksums.append(contentsOf: repeatElement(0, count: count - checksums.count))
        }
    }
}
