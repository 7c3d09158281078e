/// The proof that the frames of a write-ahead log belong together, up to some frame.
///
/// A frame counts if it carries the salts of the log's header, and if its checksum continues the one of the frame
/// before (of the header, for frame 1). The state needed to judge the next frame, or to write it, is the salts
/// and the last checksum. A chain that ends in a frame with a commit size is a committed state; frames that
/// match after it belong to a transaction that is not complete, and may be written again with other content.
///
/// A value: to go back to an earlier frame, keep a copy.
public struct WALChain: Equatable, Sendable {
    /// The first salt of the log.
    public let salt1: UInt32

    /// The second salt of the log.
    public let salt2: UInt32

    /// Whether checksums of the log are over big-endian words.
    public let bigEndian: Bool

    /// The size of the database's pages.
    public let pageSize: PageSize

    /// The checksum of the last frame in the chain, or of the header.
    public private(set) var checksum: WALChecksum

    /// Starts the chain at the header of a log: no frame is in it yet.
    public init(startOf header: WALHeader) {
        salt1 = header.salt1
        salt2 = header.salt2
        bigEndian = header.bigEndianChecksums
        pageSize = header.pageSize
        checksum = header.checksum
    }

    /// Takes the chain up at the last commit that a wal-index names, frame `mxFrame`.
    ///
    /// - Returns: nothing if the index names no frame: the log may not even have its header yet.
    public init?(resuming header: WALIndexHeader) {
        guard header.mxFrame > 0, let pageSize = header.pageSize else { return nil }
        salt1 = header.salt1
        salt2 = header.salt2
        bigEndian = header.bigEndianChecksums
        self.pageSize = pageSize
        checksum = header.frameChecksum
    }

    /// Judges the next frame.
    ///
    /// - Parameters:
    ///   - header: the first 24 bytes of the frame.
    ///   - page: its page.
    /// - Returns: the chain with the frame at its end; nothing if the frame does not continue this chain, or a
    ///   buffer does not have the right size.
    public func extended(header: UnsafeRawBufferPointer, page: UnsafeRawBufferPointer) -> WALChain? {
        guard
            header.count == WALFrameHeader.size, page.count == pageSize.bytes,
            let fields = try? WALFrameHeader(header),
            fields.salt1 == salt1, fields.salt2 == salt2
        else { return nil }
        var next = self
        next.add(header, page)
        return next.checksum == fields.checksum ? next : nil
    }

    /// Writes the header of the next frame, and takes the frame into the chain.
    ///
    /// - Parameters:
    ///   - page: the number of the page; not 0.
    ///   - commitSize: the size of the database in pages if the frame ends a transaction, otherwise 0.
    ///   - data: the page; a wrong size is a programmer's mistake.
    ///   - header: room for the 24 bytes before the page in the log.
    public mutating func seal(
        page: PageNumber,
        commitSize: UInt32,
        data: UnsafeRawBufferPointer,
        into header: UnsafeMutableRawBufferPointer
    ) {
        precondition(page.rawValue != 0, "pages are counted from 1")
        precondition(data.count == pageSize.bytes, "a frame holds one page")
        precondition(header.count >= WALFrameHeader.size, "a frame header has 24 bytes")
        header.storeBigEndian(page.rawValue, at: 0)
        header.storeBigEndian(commitSize, at: 4)
        header.storeBigEndian(salt1, at: 8)
        header.storeBigEndian(salt2, at: 12)
        add(UnsafeRawBufferPointer(header), data)
        header.storeBigEndian(checksum.first, at: 16)
        header.storeBigEndian(checksum.second, at: 20)
    }

    /// Goes back, or on, to a frame of the same log whose checksum is known.
    ///
    /// - Parameter checksum: the running checksum in that frame's header, which the caller has verified.
    public mutating func resume(at checksum: WALChecksum) {
        self.checksum = checksum
    }

    /// Adds the first 8 bytes of a frame's header, and its page, to the checksum.
    private mutating func add(_ header: UnsafeRawBufferPointer, _ page: UnsafeRawBufferPointer) {
        checksum.update(UnsafeRawBufferPointer(rebasing: header[..<8]), bigEndianWords: bigEndian)
        checksum.update(page, bigEndianWords: bigEndian)
    }
}
