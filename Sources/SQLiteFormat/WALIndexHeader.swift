/// The state of a write-ahead log that the wal-index publishes: its last commit.
///
/// 48 bytes, stored twice at the start of the wal-index, in the byte order of the host except for the salts:
///
///      0   4  version 3007000; 3021000 for wal2
///      4   4  wal2: the last frame in `-wal2`; topmost bit: whether the log is written there. Else 0
///      8   4  change counter
///     12   1  1 once the index was built
///     13   1  1 if checksums of the log are over big-endian words
///     14   2  page size; 1 stands for 65,536
///     16   4  number of the last frame of the last commit; wal2: in `-wal`
///     20   4  size of the database in pages
///     24   8  checksum of the last frame of the last commit
///     32   8  salts of the log, byte for byte as in its header; wal2: of the file that is written
///     40   8  WAL checksum of bytes 0 to 39, over words in the byte order of the host
public struct WALIndexHeader: Equatable, Sendable {
    /// The number of bytes of one copy.
    public static let size = 48

    /// The version: `wal`, or `wal2`.
    public var version: WALVersion

    /// The file to which the log is written; `-wal` unless the version is `wal2`.
    public var file: WALFile

    /// The number of the last committed frame in `-wal2`, or 0; 0 unless the version is `wal2`.
    public var mxFrame2: UInt32

    /// A number that each commit changes, so that connections notice that their page caches are old.
    public var changeCounter: UInt32

    /// Whether checksums of the log are over big-endian words.
    public var bigEndianChecksums: Bool

    /// The size of the database's pages; nothing if the index was built from a log without a header.
    public var pageSize: PageSize?

    /// The number of the last committed frame in `-wal`, or 0 for a log without one.
    public var mxFrame: UInt32

    /// The size of the database in pages; 0 if `mxFrame` is 0 and the size of the file says it.
    public var pageCount: UInt32

    /// The checksum of the last frame of the last commit; without meaning if there is none.
    public var frameChecksum: WALChecksum

    /// The first salt of the log.
    public var salt1: UInt32

    /// The second salt of the log.
    public var salt2: UInt32

    /// Creates a header from its fields.
    public init(
        changeCounter: UInt32,
        bigEndianChecksums: Bool = false,
        pageSize: PageSize?,
        mxFrame: UInt32,
        pageCount: UInt32,
        frameChecksum: WALChecksum,
        salt1: UInt32,
        salt2: UInt32,
        version: WALVersion = .wal,
        file: WALFile = .wal,
        mxFrame2: UInt32 = 0
    ) {
        self.version = version
        self.file = file
        self.mxFrame2 = mxFrame2
        self.changeCounter = changeCounter
        self.bigEndianChecksums = bigEndianChecksums
        self.pageSize = pageSize
        self.mxFrame = mxFrame
        self.pageCount = pageCount
        self.frameChecksum = frameChecksum
        self.salt1 = salt1
        self.salt2 = salt2
    }

    /// Creates the header that publishes a commit.
    ///
    /// - Parameters:
    ///   - chain: the chain that ends with the commit's last frame.
    ///   - mxFrame: the number of that frame, or 0 for a log that has only its header.
    ///   - pageCount: the size of the database in pages.
    ///   - changeCounter: one more than in the header before.
    public init(chain: WALChain, mxFrame: UInt32, pageCount: UInt32, changeCounter: UInt32) {
        self.init(
            changeCounter: changeCounter,
            bigEndianChecksums: chain.bigEndian,
            pageSize: chain.pageSize,
            mxFrame: mxFrame,
            pageCount: pageCount,
            frameChecksum: chain.checksum,
            salt1: chain.salt1,
            salt2: chain.salt2
        )
    }

    /// The number of the last committed frame in a file, or 0.
    public subscript(file: WALFile) -> UInt32 {
        get { file == .wal ? mxFrame : mxFrame2 }
        set {
            if file == .wal { mxFrame = newValue } else { mxFrame2 = newValue }
        }
    }

    /// Reads one copy.
    ///
    /// - Parameter bytes: 48 bytes or more.
    /// - Throws: `SQLiteFormatError` when the bytes are too few, are of another version or an index that is not
    ///   built, hold an impossible page size, or do not have the checksum that they carry.
    public init(_ bytes: UnsafeRawBufferPointer) throws(SQLiteFormatError) {
        guard bytes.count >= Self.size else {
            throw SQLiteFormatError(.walIndex, at: 0, .truncated(needed: Self.size, present: bytes.count))
        }
        version = WALVersion(rawValue: bytes.host32(at: 0))
        guard version.isImplemented else {
            throw SQLiteFormatError(.walIndex, at: 0, .unsupportedVersion(version.rawValue))
        }
        guard bytes[12] != 0 else { throw SQLiteFormatError(.walIndex, at: 12, .notInitialized) }
        guard
            Self.checksum(of: bytes)
                == WALChecksum(first: bytes.host32(at: 40), second: bytes.host32(at: 44))
        else { throw SQLiteFormatError(.walIndex, at: 40, .checksumMismatch) }
        let storedSize = bytes.loadUnaligned(fromByteOffset: 14, as: UInt16.self)
        pageSize = PageSize(stored: storedSize)
        guard pageSize != nil || storedSize == 0 else {
            throw SQLiteFormatError(
                .walIndex,
                at: 14,
                .illegalValue(field: .pageSize, value: UInt64(storedSize))
            )
        }
        let second = FramePlace(rawValue: version == .wal2 ? bytes.host32(at: 4) : 0)
        (file, mxFrame2) = (second.file, second.frame)
        changeCounter = bytes.host32(at: 8)
        bigEndianChecksums = bytes[13] != 0
        mxFrame = bytes.host32(at: 16)
        pageCount = bytes.host32(at: 20)
        frameChecksum = WALChecksum(first: bytes.host32(at: 24), second: bytes.host32(at: 28))
        salt1 = bytes.bigEndian32(at: 32)
        salt2 = bytes.bigEndian32(at: 36)
    }

    /// Writes one copy, checksum included.
    ///
    /// - Parameter bytes: room for 48 bytes; fewer are a programmer's mistake.
    public func encode(into bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= Self.size, "a wal-index header has 48 bytes")
        bytes.storeHost(version.rawValue, at: 0)
        bytes.storeHost(FramePlace(mxFrame2, in: file).rawValue, at: 4)
        bytes.storeHost(changeCounter, at: 8)
        bytes[12] = 1
        bytes[13] = bigEndianChecksums ? 1 : 0
        bytes.storeBytes(of: pageSize?.stored ?? 0, toByteOffset: 14, as: UInt16.self)
        bytes.storeHost(mxFrame, at: 16)
        bytes.storeHost(pageCount, at: 20)
        bytes.storeHost(frameChecksum.first, at: 24)
        bytes.storeHost(frameChecksum.second, at: 28)
        bytes.storeBigEndian(salt1, at: 32)
        bytes.storeBigEndian(salt2, at: 36)
        let checksum = Self.checksum(of: UnsafeRawBufferPointer(bytes))
        bytes.storeHost(checksum.first, at: 40)
        bytes.storeHost(checksum.second, at: 44)
    }

    private static func checksum(of bytes: UnsafeRawBufferPointer) -> WALChecksum {
        var checksum = WALChecksum()
        checksum.update(
            UnsafeRawBufferPointer(rebasing: bytes[..<40]),
            bigEndianWords: WALChecksum.hostIsBigEndian
        )
        return checksum
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func host32(at offset: Int) -> UInt32 {
        loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate func storeHost(_ value: UInt32, at offset: Int) {
        storeBytes(of: value, toByteOffset: offset, as: UInt32.self)
    }
}
