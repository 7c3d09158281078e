/// The header of a database file: the first 100 bytes of page 1.
///
/// All fields are big-endian (SQLite file format, section 1.3). Those that say how the file is stored:
///
///      0  16  "SQLite format 3" and a zero byte
///     16   2  page size; 1 stands for 65,536
///     18   1  write version  ┐ 1 rollback journal, 2 WAL, 3 wal2
///     19   1  read version   ┘
///     20   1  bytes reserved at the end of each page
///     24   4  file change counter
///     28   4  size of the database in pages
///     40   4  schema cookie
///     52   4  largest root page; 0 without auto-vacuum
///     92   4  change counter for which the size at 28 is valid
///
/// A writer older than 3.7.0 changes the counter at 24 but neither 28 nor 92, so the size counts only while
/// 24 and 92 are equal. Commits to a WAL change page 1 in the log, not here.
public struct DatabaseHeader: Equatable, Sendable {
    /// The number of bytes that a header has.
    public static let size = 100

    /// The first 16 bytes of each database file.
    public static let magic: [UInt8] = Array("SQLite format 3\0".utf8)

    /// The offset of the byte with the write version.
    public static let writeVersionOffset = 18

    /// The offset of the byte with the read version.
    public static let readVersionOffset = 19

    /// The size of the database's pages.
    public let pageSize: PageSize

    /// The write version (byte 18).
    public let writeVersion: UInt8

    /// The read version (byte 19).
    public let readVersion: UInt8

    /// The number of bytes at the end of each page that SQLite leaves to extensions.
    public let reservedSpace: UInt8

    /// A number that each rollback-journal commit changes.
    public let changeCounter: UInt32

    /// The size of the database in pages, as far as `versionValidFor` says that it is valid.
    public let pageCount: UInt32

    /// The change counter at the time `pageCount` was written.
    public let versionValidFor: UInt32

    /// A number that each change of the schema changes.
    public let schemaCookie: UInt32

    /// The largest root page in an auto-vacuum database, otherwise 0.
    public let largestRootPage: UInt32

    /// Reads a header.
    ///
    /// - Parameter bytes: the start of page 1, 100 bytes or more.
    /// - Throws: `SQLiteFormatError` when the bytes are too few or do not start a database.
    public init(_ bytes: UnsafeRawBufferPointer) throws(SQLiteFormatError) {
        guard bytes.count >= Self.size else {
            throw SQLiteFormatError(
                .databaseHeader,
                at: 0,
                .truncated(needed: Self.size, present: bytes.count)
            )
        }
        guard Self.hasMagic(bytes) else { throw SQLiteFormatError(.databaseHeader, at: 0, .wrongMagic) }
        let storedSize = bytes.bigEndian16(at: 16)
        guard let pageSize = PageSize(stored: storedSize) else {
            throw SQLiteFormatError(
                .databaseHeader,
                at: 16,
                .illegalValue(field: .pageSize, value: UInt64(storedSize))
            )
        }
        self.pageSize = pageSize
        writeVersion = bytes[Self.writeVersionOffset]
        readVersion = bytes[Self.readVersionOffset]
        reservedSpace = bytes[20]
        changeCounter = bytes.bigEndian32(at: 24)
        pageCount = bytes.bigEndian32(at: 28)
        schemaCookie = bytes.bigEndian32(at: 40)
        largestRootPage = bytes.bigEndian32(at: 52)
        versionValidFor = bytes.bigEndian32(at: 92)
    }

    /// The journal mode, or nothing when no known SQLite can read the file.
    public var journalMode: JournalMode? {
        JournalMode(readVersion: readVersion)
    }

    /// Whether the database keeps pointer-map pages (`auto_vacuum` is `FULL` or `INCREMENTAL`).
    public var isAutoVacuum: Bool {
        largestRootPage != 0
    }

    /// The number of pages of the committed database, when no log and no hot journal stands beside the file.
    ///
    /// - Parameter fileSize: the size of the database file in bytes.
    /// - Returns: the size in the header if it is valid and the file has that many pages; otherwise the number
    ///   of pages in the file.
    public func committedPageCount(fileSize: Int64) -> UInt32 {
        let filePages = pageCount(ofFile: fileSize)
        let isValid = pageCount != 0 && changeCounter == versionValidFor && pageCount <= filePages
        return isValid ? pageCount : filePages
    }

    /// Pages in a file of a size, the last of which may be cut short.
    ///
    /// SQLite counts it as a page and reads what is missing as zeros.
    ///
    /// - Parameter fileSize: the size of the database file in bytes.
    /// - Returns: the number of pages, at most 2³² - 1.
    public func pageCount(ofFile fileSize: Int64) -> UInt32 {
        let (pages, rest) = max(fileSize, 0).quotientAndRemainder(dividingBy: Int64(pageSize.rawValue))
        return UInt32(clamping: rest == 0 ? pages : pages + 1)
    }

    /// Whether a file that starts with these bytes is a SQLite database.
    ///
    /// - Parameter prefix: the start of the file; fewer than 18 bytes are never a database.
    /// - Returns: true if the magic is there and the page size is possible.
    public static func isDatabase(prefix: UnsafeRawBufferPointer) -> Bool {
        prefix.count >= 18 && hasMagic(prefix) && PageSize(stored: prefix.bigEndian16(at: 16)) != nil
    }

    /// Bytes 18 and 19 of page 1, whatever they say; the page may be damaged otherwise.
    ///
    /// - Parameter page: page 1, 20 bytes or more.
    /// - Returns: the two bytes.
    public static func versionBytes<Page: RandomAccessCollection<UInt8>>(
        ofPage1 page: Page
    ) -> (write: UInt8, read: UInt8) where Page.Index == Int {
        (page[writeVersionOffset], page[readVersionOffset])
    }

    /// Compares the first 16 bytes, of which there must be as many.
    private static func hasMagic(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.prefix(16).elementsEqual(magic)
    }
}
