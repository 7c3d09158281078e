/// The header of a write-ahead log: its first 32 bytes, all fields big-endian (SQLite file format, section 4.1).
///
///      0   4  magic 377f0682: checksums over little-endian words; 377f0683: over big-endian words
///      4   4  version 3007000; 3021000 for wal2
///      8   4  page size
///     12   4  checkpoint sequence number; in wal2 0 to 15, even in `-wal`, odd in `-wal2`
///     16   4  salt 1: one more after each restart of the log
///     20   4  salt 2: random after each restart
///     24   8  checksum over bytes 0 to 23
///
/// A restart of the log writes a new header over the old one; frames that carry other salts are leftovers.
///
/// In wal2 mode the log goes on in the other file, whose header then has the checksum of the last commit as its salts, and a
/// sequence number that is one more: so it can be told which of two files is the newer one, and whether it continues the other.
public struct WALHeader: Equatable, Sendable {
    /// The number of bytes that a header has.
    public static let size = 32

    /// The magic number without the bit that says the order of bytes in words.
    public static let magic: UInt32 = 0x377f_0682

    /// The version: `wal`, or `wal2`.
    public let version: WALVersion

    /// Whether checksums of this log are over big-endian words.
    public let bigEndianChecksums: Bool

    /// The size of the database's pages.
    public let pageSize: PageSize

    /// The number of restarts, as far as it was counted.
    public let checkpointSequence: UInt32

    /// The salt that each restart increments.
    public let salt1: UInt32

    /// The salt that each restart draws anew.
    public let salt2: UInt32

    /// The checksum of the fields above, with which the checksum of frame 1 starts.
    public let checksum: WALChecksum

    /// Creates the header of a new log.
    public init(
        pageSize: PageSize,
        checkpointSequence: UInt32,
        salt1: UInt32,
        salt2: UInt32,
        bigEndianChecksums: Bool = false,
        version: WALVersion = .wal
    ) {
        self.version = version
        self.pageSize = pageSize
        self.checkpointSequence = checkpointSequence
        self.salt1 = salt1
        self.salt2 = salt2
        self.bigEndianChecksums = bigEndianChecksums
        checksum = withUnsafeTemporaryAllocation(byteCount: 24, alignment: 8) { fields in
            Self.store(
                into: fields,
                (version, bigEndianChecksums, pageSize, checkpointSequence, salt1, salt2)
            )
            return Self.checksum(of: UnsafeRawBufferPointer(fields), bigEndian: bigEndianChecksums)
        }
    }

    /// Reads and verifies a header.
    ///
    /// - Parameter bytes: the start of the log, 32 bytes or more.
    /// - Throws: `SQLiteFormatError` when the bytes are too few, belong to another format or version, or do not
    ///   have the checksum that they carry.
    public init(_ bytes: UnsafeRawBufferPointer) throws(SQLiteFormatError) {
        guard bytes.count >= Self.size else {
            throw SQLiteFormatError(.walHeader, at: 0, .truncated(needed: Self.size, present: bytes.count))
        }
        let magic = bytes.bigEndian32(at: 0)
        guard magic & ~1 == Self.magic else { throw SQLiteFormatError(.walHeader, at: 0, .wrongMagic) }
        version = WALVersion(rawValue: bytes.bigEndian32(at: 4))
        guard version.isImplemented else {
            throw SQLiteFormatError(.walHeader, at: 4, .unsupportedVersion(version.rawValue))
        }
        let storedSize = bytes.bigEndian32(at: 8)
        guard let pageSize = PageSize(storedSize) else {
            throw SQLiteFormatError(
                .walHeader,
                at: 8,
                .illegalValue(field: .pageSize, value: UInt64(storedSize))
            )
        }
        let bigEndian = magic & 1 == 1
        let checksum = Self.checksum(of: UnsafeRawBufferPointer(rebasing: bytes[..<24]), bigEndian: bigEndian)
        guard checksum == WALChecksum(first: bytes.bigEndian32(at: 24), second: bytes.bigEndian32(at: 28))
        else { throw SQLiteFormatError(.walHeader, at: 24, .checksumMismatch) }
        bigEndianChecksums = bigEndian
        self.pageSize = pageSize
        checkpointSequence = bytes.bigEndian32(at: 12)
        salt1 = bytes.bigEndian32(at: 16)
        salt2 = bytes.bigEndian32(at: 20)
        self.checksum = checksum
    }

    /// Writes the header.
    ///
    /// - Parameter bytes: room for 32 bytes; fewer are a programmer's mistake.
    public func encode(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= Self.size, "a WAL header has 32 bytes")
        Self.store(into: bytes, (version, bigEndianChecksums, pageSize, checkpointSequence, salt1, salt2))
        bytes.storeBigEndian(checksum.first, at: 24)
        bytes.storeBigEndian(checksum.second, at: 28)
    }

    /// The header after a restart of the log, as SQLite would choose it.
    ///
    /// - Parameter salt2: a random number.
    /// - Returns: a header with the next sequence number and the next first salt.
    public func restarted(salt2: UInt32) -> WALHeader {
        WALHeader(
            pageSize: pageSize,
            checkpointSequence: checkpointSequence &+ 1,
            salt1: salt1 &+ 1,
            salt2: salt2,
            bigEndianChecksums: bigEndianChecksums,
            version: version
        )
    }

    /// The header of the other file of wal2, when the log goes on there.
    ///
    /// - Parameters:
    ///   - checksum: that of the last commit in the file with this header.
    ///   - isNumbered: whether that file has frames; otherwise the numbers begin again.
    /// - Returns: the header.
    public func continued(after checksum: WALChecksum, isNumbered: Bool = true) -> WALHeader {
        WALHeader(
            pageSize: pageSize,
            checkpointSequence: isNumbered ? (checkpointSequence &+ 1) & Self.sequenceMask : 0,
            salt1: checksum.first,
            salt2: checksum.second,
            bigEndianChecksums: bigEndianChecksums,
            version: version
        )
    }

    /// Whether the log goes on in the file with this header behind the last commit of the other file.
    ///
    /// - Parameters:
    ///   - header: the other file's.
    ///   - checksum: that of its last commit.
    /// - Returns: whether it does, by version, number and salts.
    public func continues(_ header: WALHeader, endingWith checksum: WALChecksum) -> Bool {
        version == .wal2 && header.version == .wal2
            && checkpointSequence == (header.checkpointSequence &+ 1) & Self.sequenceMask
            && salt1 == checksum.first && salt2 == checksum.second
            && pageSize == header.pageSize
    }

    /// The sequence numbers of wal2 begin again after 15.
    static let sequenceMask: UInt32 = 15

    private typealias Fields = (
        version: WALVersion, bigEndian: Bool, pageSize: PageSize, sequence: UInt32, salt1: UInt32,
        salt2: UInt32
    )

    /// Writes the 24 bytes that the checksum covers.
    private static func store(into bytes: UnsafeMutableRawBufferPointer, _ fields: Fields) {
        bytes.storeBigEndian(magic | (fields.bigEndian ? 1 : 0), at: 0)
        bytes.storeBigEndian(fields.version.rawValue, at: 4)
        bytes.storeBigEndian(fields.pageSize.rawValue, at: 8)
        bytes.storeBigEndian(fields.sequence, at: 12)
        bytes.storeBigEndian(fields.salt1, at: 16)
        bytes.storeBigEndian(fields.salt2, at: 20)
    }

    private static func checksum(of fields: UnsafeRawBufferPointer, bigEndian: Bool) -> WALChecksum {
        var checksum = WALChecksum()
        checksum.update(fields, bigEndianWords: bigEndian)
        return checksum
    }
}
