/// The header of a rollback journal.
///
/// A journal holds the old content of the pages that a transaction changes. It starts with a header, padded
/// with zeros to the sector size, and records follow; a journal that was synced more than once has further
/// headers, each at a multiple of the sector size. All fields are big-endian (SQLite file format, section 3):
///
///      0   8  magic d9d505f9 20a163d7
///      8   4  number of records up to the next header; ffffffff: as many as the file has
///     12   4  nonce of the records' checksums
///     16   4  size of the database in pages before the transaction
///     20   4  sector size
///     24   4  page size
///
///     record: page number (4), page, checksum (4)
///
/// With `synchronous` on, SQLite leaves magic and count zero until the records are synced, because the database
/// file is not touched before. So a transaction in progress may have a journal that is not active yet.
/// It commits by deleting the journal, truncating it, or writing zeros over the header.
public struct JournalHeader: Equatable, Sendable {
    /// The number of bytes of a header that carry information.
    public static let size = 28

    /// The first 8 bytes of an active journal.
    public static let magic: [UInt8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]

    /// The number of records that follow, or nothing when the size of the file says it.
    public let recordCount: UInt32?

    /// The first summand of each record's checksum.
    public let nonce: UInt32

    /// The size of the database in pages before the transaction, to which a rollback truncates it.
    public let originalPageCount: UInt32

    /// The distance in bytes between places where a header may stand; records start at the first.
    public let sectorSize: UInt32

    /// The size of the database's pages.
    public let pageSize: PageSize

    /// Reads a header.
    ///
    /// - Parameter bytes: the start of the journal, 28 bytes or more.
    /// - Throws: `SQLiteFormatError` when the bytes are too few, the journal is not active, or a size is
    ///   impossible.
    public init(_ bytes: UnsafeRawBufferPointer) throws(SQLiteFormatError) {
        guard bytes.count >= Self.size else {
            throw SQLiteFormatError(
                .journalHeader,
                at: 0,
                .truncated(needed: Self.size, present: bytes.count)
            )
        }
        guard Self.isActive(prefix: bytes) else {
            throw SQLiteFormatError(.journalHeader, at: 0, .wrongMagic)
        }
        let sectorSize = bytes.bigEndian32(at: 20)
        guard (32...65_536).contains(sectorSize), sectorSize.nonzeroBitCount == 1 else {
            throw SQLiteFormatError(
                .journalHeader,
                at: 20,
                .illegalValue(field: .sectorSize, value: UInt64(sectorSize))
            )
        }
        let storedSize = bytes.bigEndian32(at: 24)
        guard let pageSize = PageSize(storedSize) else {
            throw SQLiteFormatError(
                .journalHeader,
                at: 24,
                .illegalValue(field: .pageSize, value: UInt64(storedSize))
            )
        }
        let count = bytes.bigEndian32(at: 8)
        recordCount = count == .max ? nil : count
        nonce = bytes.bigEndian32(at: 12)
        originalPageCount = bytes.bigEndian32(at: 16)
        self.sectorSize = sectorSize
        self.pageSize = pageSize
    }

    /// The number of bytes of one record.
    public var recordSize: Int {
        pageSize.bytes + 8
    }

    /// Whether a journal that starts with these bytes would be rolled back.
    ///
    /// - Parameter prefix: the start of the file; fewer than 8 bytes are never active.
    /// - Returns: true if the magic is there.
    public static func isActive(prefix: UnsafeRawBufferPointer) -> Bool {
        prefix.prefix(magic.count).elementsEqual(magic)
    }
}
