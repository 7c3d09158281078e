import SQLiteFormat

// Header of an LTX file, version 1 of the format; integers are big-endian.
//
//     offset  size  field
//          0     4  magic "LTX1"
//          4     4  flags: bit 0 = the page block is an LZ4 frame
//          8     4  page size
//         12     4  commit: pages of the database after the last transaction
//         16     8  first TXID
//         24     8  last TXID
//         32     8  timestamp, milliseconds since 1970
//         40     8  pre-apply checksum, 0 in snapshots
//         48     8  WAL offset         ┐
//         56     8  WAL size           │ where the pages were found in the writer's log,
//         64     4  WAL salt 1         │ all zero if they were not
//         68     4  WAL salt 2         ┘
//         72     8  node ID of the writer
//         80    20  zero

/// The first 100 bytes of an LTX file: which transactions of what database, and what they apply to.
public struct LTXHeader: Hashable, Sendable {
    /// The length of the header in a file, in bytes.
    public static let byteCount = 100

    static let magic: UInt32 = 0x4C54_5831
    static let compressedFlag: UInt32 = 1

    /// Whether the page block is an LZ4 frame.
    public var isCompressed: Bool

    /// The page size of the database.
    public var pageSize: PageSize

    /// The size of the database after the last transaction, in pages; 0 if that transaction deleted it.
    public var commit: UInt32

    /// The first transaction in the file, 1 or higher.
    ///
    /// A file that begins with 1 is a snapshot.
    public var minTXID: TXID

    /// The last transaction in the file.
    public var maxTXID: TXID

    /// When the last transaction was committed, in milliseconds since 1970 (UTC).
    public var timestampMilliseconds: Int64

    /// The checksum of the database that the file applies to; `.zero` in a snapshot.
    public var preApply: Checksum

    /// Where the pages began in the writer's WAL, in bytes; 0 if they were not there.
    public var walOffset: Int64

    /// How many bytes of the writer's WAL the pages took; 0 if they were not there.
    public var walSize: Int64

    /// The first salt of the writer's WAL.
    public var walSalt1: UInt32

    /// The second salt of the writer's WAL.
    public var walSalt2: UInt32

    /// The number that the writing process gave itself.
    public var nodeID: UInt64

    /// Creates a header; `validate()` tells whether it may stand in a file.
    public init(
        isCompressed: Bool = true,
        pageSize: PageSize,
        commit: UInt32,
        minTXID: TXID,
        maxTXID: TXID,
        timestampMilliseconds: Int64 = 0,
        preApply: Checksum,
        walOffset: Int64 = 0,
        walSize: Int64 = 0,
        walSalt1: UInt32 = 0,
        walSalt2: UInt32 = 0,
        nodeID: UInt64 = 0
    ) {
        self.isCompressed = isCompressed
        self.pageSize = pageSize
        self.commit = commit
        self.minTXID = minTXID
        self.maxTXID = maxTXID
        self.timestampMilliseconds = timestampMilliseconds
        self.preApply = preApply
        self.walOffset = walOffset
        self.walSize = walSize
        self.walSalt1 = walSalt1
        self.walSalt2 = walSalt2
        self.nodeID = nodeID
    }

    /// Whether the file holds the whole database and applies to nothing.
    public var isSnapshot: Bool {
        minTXID == TXID(1)
    }

    /// The position that a database must have for the file to apply; `.zero` for a snapshot.
    public var preApplyPosition: Position {
        Position(txid: TXID(minTXID.rawValue &- 1), postApply: preApply)
    }

    /// The name of the file with these transactions; nothing if the range is not valid.
    public var fileName: LTXFileName? {
        LTXFileName(minTXID: minTXID, maxTXID: maxTXID)
    }
}
