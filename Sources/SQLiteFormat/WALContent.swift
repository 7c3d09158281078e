/// What a WAL holds: the frames of its committed transactions, found by following the chain of salts and checksums.
///
/// This is what SQLite's recovery would accept: frames from the first one as long as each continues the chain, up to the
/// last frame that commits (SQLite file format, section 4.1).
public struct WALContent: Sendable {
    /// The header, or nil when the file is too short or does not begin with a sound one.
    public let header: WALHeader?
    /// Chain after the last committed frame; nil without a header.
    public let chain: WALChain?
    /// Page of each committed frame; frame 1 is at index 0.
    public let frames: [UInt32]
    /// Frames that commit, in order; the last one is `frames.count`.
    public let commits: [UInt32]
    /// Size of the database in pages after the last commit; 0 without one.
    public let pageCount: UInt32

    /// The version in its header, if that names a format that is not implemented; then nothing is known of its content.
    public private(set) var unsupportedVersion: WALVersion?

    /// A log without content.
    public static let empty = WALContent(header: nil, chain: nil, frames: [], commits: [], pageCount: 0)

    private init(header: WALHeader?, chain: WALChain?, frames: [UInt32], commits: [UInt32], pageCount: UInt32)
    {
        self.header = header
        self.chain = chain
        self.frames = frames
        self.commits = commits
        self.pageCount = pageCount
    }

    /// The same log, as if it ended with a frame that commits, or with frame 0.
    ///
    /// The chain after it is not known.
    ///
    /// - Parameters:
    ///   - frame: that frame; one beyond the end changes nothing.
    ///   - pageCount: the size of the database after it.
    /// - Returns: that log.
    public func cut(afterFrame frame: UInt32, pageCount: UInt32) -> WALContent {
        guard frame < UInt32(frames.count) else { return self }
        return WALContent(
            header: header,
            chain: nil,
            frames: Array(frames.prefix(Int(frame))),
            commits: commits.filter { $0 <= frame },
            pageCount: pageCount
        )
    }

    /// Follows the chain from the start of the file.
    ///
    /// - Parameter read: fills a buffer from an offset of the file and returns the number of bytes, fewer only at its end.
    /// - Throws: what `read` throws. Content that is no WAL is not an error: it commits nothing.
    public init<Failure: Error>(
        reading read: (UnsafeMutableRawBufferPointer, Int64) throws(Failure) -> Int
    ) throws(Failure) {
        let start = UnsafeMutableRawBufferPointer.allocate(byteCount: WALHeader.size, alignment: 8)
        defer { start.deallocate() }
        let count = try read(start, 0)
        let header: WALHeader
        do throws(SQLiteFormatError) {
            header = try WALHeader(UnsafeRawBufferPointer(rebasing: start[..<count]))
        } catch {
            self = .empty
            if case .unsupportedVersion(let word) = error.reason {
                unsupportedVersion = WALVersion(rawValue: word)
            }
            return
        }
        let size = WALFrames.frameSize(header.pageSize)
        let perRead = max(1, (1 << 16) / size)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: perRead * size, alignment: 4096)
        defer { buffer.deallocate() }
        var chain = WALChain(startOf: header)
        var committedChain = chain
        var frames: [UInt32] = []
        var commits: [UInt32] = []
        var pageCount: UInt32 = 0
        scan: while true {
            let count = try read(buffer, Int64(WALHeader.size) + Int64(frames.count) * Int64(size))
            for frame in 0..<count / size {
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[frame * size..<(frame + 1) * size])
                let head = UnsafeRawBufferPointer(rebasing: bytes[..<WALFrameHeader.size])
                let page = UnsafeRawBufferPointer(rebasing: bytes[WALFrameHeader.size...])
                guard let next = chain.extended(header: head, page: page) else { break scan }
                chain = next
                frames.append(bytes.bigEndian32(at: 0))
                let size = bytes.bigEndian32(at: 4)
                if size != 0 {
                    commits.append(UInt32(frames.count))
                    pageCount = size
                    committedChain = chain
                }
            }
            if count < buffer.count { break }
        }
        frames.removeLast(frames.count - Int(commits.last ?? 0))
        self.init(
            header: header,
            chain: committedChain,
            frames: frames,
            commits: commits,
            pageCount: pageCount
        )
    }
}
