/// The header of a frame: the 24 bytes before each page in a write-ahead log, all fields big-endian.
///
///      0   4  page number
///      4   4  commit size: the size of the database in pages if the frame ends a transaction, otherwise 0
///      8   8  salts of the log's header
///     16   8  checksum, running on from the frame before, over bytes 0 to 7 and the page
///
/// The fields alone prove nothing; `WALChain` tells whether a frame counts (SQLite file format, section 4.1).
public struct WALFrameHeader: Equatable, Sendable {
    /// The number of bytes that a header has.
    public static let size = 24

    /// The page that the frame holds; never 0.
    public let page: PageNumber

    /// The size of the database in pages after the transaction that the frame ends, or 0.
    public let commitSize: UInt32

    /// The first salt of the log to which the frame was written.
    public let salt1: UInt32

    /// The second salt of the log to which the frame was written.
    public let salt2: UInt32

    /// The running checksum, up to and with this frame.
    public let checksum: WALChecksum

    /// Creates a header from its fields.
    public init(page: PageNumber, commitSize: UInt32, salt1: UInt32, salt2: UInt32, checksum: WALChecksum) {
        self.page = page
        self.commitSize = commitSize
        self.salt1 = salt1
        self.salt2 = salt2
        self.checksum = checksum
    }

    /// Reads a header, without a look at salts or checksum.
    ///
    /// - Parameter bytes: the start of the frame, 24 bytes or more.
    /// - Throws: `SQLiteFormatError` when the bytes are too few or the page number is 0.
    public init(_ bytes: UnsafeRawBufferPointer) throws(SQLiteFormatError) {
        guard bytes.count >= Self.size else {
            throw SQLiteFormatError(
                .walFrameHeader,
                at: 0,
                .truncated(needed: Self.size, present: bytes.count)
            )
        }
        page = PageNumber(rawValue: bytes.bigEndian32(at: 0))
        guard page.rawValue != 0 else {
            throw SQLiteFormatError(.walFrameHeader, at: 0, .illegalValue(field: .pageNumber, value: 0))
        }
        commitSize = bytes.bigEndian32(at: 4)
        salt1 = bytes.bigEndian32(at: 8)
        salt2 = bytes.bigEndian32(at: 12)
        checksum = WALChecksum(first: bytes.bigEndian32(at: 16), second: bytes.bigEndian32(at: 20))
    }

    /// Whether the frame ends a transaction.
    public var isCommit: Bool {
        commitSize != 0
    }

    /// Writes the header.
    ///
    /// - Parameter bytes: room for 24 bytes; fewer are a programmer's mistake.
    public func encode(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= Self.size, "a frame header has 24 bytes")
        bytes.storeBigEndian(page.rawValue, at: 0)
        bytes.storeBigEndian(commitSize, at: 4)
        bytes.storeBigEndian(salt1, at: 8)
        bytes.storeBigEndian(salt2, at: 12)
        bytes.storeBigEndian(checksum.first, at: 16)
        bytes.storeBigEndian(checksum.second, at: 20)
    }
}
