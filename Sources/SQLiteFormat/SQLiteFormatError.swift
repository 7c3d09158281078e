/// Bytes that are not what SQLite would have written.
public struct SQLiteFormatError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The structure that was being read.
    public enum Structure: String, Sendable {
        /// The first 100 bytes of a database file.
        case databaseHeader = "database header"
        /// The header of a rollback journal.
        case journalHeader = "journal header"
        /// The first 32 bytes of a write-ahead log.
        case walHeader = "WAL header"
        /// The 24 bytes before a page in a write-ahead log.
        case walFrameHeader = "WAL frame header"
        /// The shared memory that indexes a write-ahead log.
        case walIndex = "wal-index"
    }

    /// A field with a restricted range.
    public enum Field: String, Sendable {
        /// A page size: a power of two from 512 to 65,536.
        case pageSize = "page size"
        /// A sector size: a power of two from 32 to 65,536.
        case sectorSize = "sector size"
        /// A page number: not 0.
        case pageNumber = "page number"
        /// A frame number: not 0.
        case frameNumber = "frame number"
    }

    /// What is wrong.
    public enum Reason: Equatable, Sendable {
        /// Fewer bytes than the structure has.
        case truncated(needed: Int, present: Int)
        /// The magic number belongs to something else.
        case wrongMagic
        /// A field has a value that SQLite never writes.
        case illegalValue(field: Field, value: UInt64)
        /// The version word names a format that is not implemented.
        case unsupportedVersion(UInt32)
        /// The stored checksum is not the one of the bytes.
        case checksumMismatch
        /// The wal-index was mapped, but never built.
        case notInitialized
        /// Two connections wrote at once, or one died while it wrote: the copies of the header differ.
        case copiesDiffer
        /// The region of the wal-index that holds the frame is not mapped.
        case regionNotMapped(region: Int)
        /// No free slot, or no end of a probe sequence, in a hash table of the wal-index.
        case hashTableFull(region: Int)
    }

    /// The structure that was being read.
    public let structure: Structure

    /// The place of the bad bytes, counted in bytes from the start of the structure.
    public let offset: Int

    /// What is wrong.
    public let reason: Reason

    init(_ structure: Structure, at offset: Int, _ reason: Reason) {
        self.structure = structure
        self.offset = offset
        self.reason = reason
    }

    /// One line for a log.
    public var description: String {
        "\(structure.rawValue), byte \(offset): \(reason.text)"
    }
}

extension SQLiteFormatError.Reason {
    fileprivate var text: String {
        switch self {
        case .truncated(let needed, let present): "needs \(needed) bytes, has \(present)"
        case .wrongMagic: "wrong magic number"
        case .illegalValue(let field, let value): "illegal \(field.rawValue) \(value)"
        case .unsupportedVersion(let version): "unsupported version \(version)"
        case .checksumMismatch: "checksum mismatch"
        case .notInitialized: "not initialized"
        case .copiesDiffer: "the copies differ"
        case .regionNotMapped(let region): "region \(region) is not mapped"
        case .hashTableFull(let region): "hash table of region \(region) is full"
        }
    }
}
