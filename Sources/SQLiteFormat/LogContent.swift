/// What a log holds, in one file or in two: what SQLite's recovery would accept.
///
/// In wal2 mode each file is followed for itself. The sequence numbers in the headers say which one is newer, and its salts whether
/// it continues the other one: then both count, else one of them does. A `-wal` without a frame makes `-wal2` worthless, because
/// the log begins in `-wal`, and both are removed together.
public struct LogContent: Sendable {
    /// The file to which the log is written.
    public let file: WALFile
    /// What that file holds.
    public let newest: WALContent
    /// What the other file holds, when the newest one continues it.
    public let older: WALContent

    /// A log without content.
    public static let empty = LogContent(file: .wal, newest: .empty, older: .empty)

    private init(file: WALFile, newest: WALContent, older: WALContent) {
        self.file = file
        self.newest = newest
        self.older = older
    }

    /// A log of one file.
    public init(_ content: WALContent) {
        self.init(file: .wal, newest: content, older: .empty)
    }

    /// Follows the chains from the start of the files.
    ///
    /// - Parameter read: fills a buffer from an offset of a file and returns the number of bytes, fewer only at its end; 0 for a
    ///   file that does not exist.
    /// - Throws: what `read` throws. Content that is no WAL is not an error: it commits nothing.
    public init<Failure: Error>(
        reading read: (WALFile, UnsafeMutableRawBufferPointer, Int64) throws(Failure) -> Int
    ) throws(Failure) {
        let first = try WALContent { buffer, offset throws(Failure) in try read(.wal, buffer, offset) }
        guard first.header?.version != .wal, first.unsupportedVersion == nil else {
            self.init(first)
            return
        }
        let hasFrames = try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) {
            byte throws(Failure) in
            try read(.wal, byte, Int64(WALHeader.size)) == 1
        }
        let second =
            hasFrames
            ? try WALContent { buffer, offset throws(Failure) in try read(.wal2, buffer, offset) } : .empty
        self.init(first, second)
    }

    /// Decides which of two files count.
    init(_ first: WALContent, _ second: WALContent) {
        guard second.header?.version == .wal2 || second.unsupportedVersion != nil else {
            self.init(first)
            return
        }
        guard let header = first.header, let other = second.header else {
            self.init(file: .wal2, newest: second, older: .empty)
            return
        }
        if other.checkpointSequence == (header.checkpointSequence &+ 1) & WALHeader.sequenceMask {
            // `-wal2` is the newer one. If it does not continue `-wal`, it is left over from before.
            self = Self.joined(.wal2, second, after: first) ?? LogContent(first)
        } else if header.checkpointSequence == (other.checkpointSequence &+ 1) & WALHeader.sequenceMask {
            self =
                Self.joined(.wal, first, after: second)
                ?? LogContent(file: .wal2, newest: second, older: .empty)
        } else if header.checkpointSequence <= other.checkpointSequence {
            self.init(first)
        } else {
            self.init(file: .wal2, newest: second, older: .empty)
        }
    }

    private static func joined(_ file: WALFile, _ newest: WALContent, after older: WALContent) -> LogContent?
    {
        guard !newest.frames.isEmpty, !older.frames.isEmpty,
            let header = newest.header, let before = older.header, let chain = older.chain,
            header.continues(before, endingWith: chain.checksum)
        else { return nil }
        return LogContent(file: file, newest: newest, older: older)
    }

    /// The same log, as if it ended with what a wal-index names.
    ///
    /// The chain after it is not known.
    public func cut(to index: WALIndexHeader) -> LogContent {
        let isWritten =
            index.file == file
            && (index[file] == 0 || index.salt1 == header?.salt1 && index.salt2 == header?.salt2)
        guard index.version == header?.version, isWritten else { return self }
        return LogContent(
            file: file,
            newest: newest.cut(afterFrame: index[file], pageCount: index.pageCount),
            older: older
        )
    }

    /// The header of the file to which the log is written; nil when it has none.
    public var header: WALHeader? { newest.header }

    /// The committed frames.
    public var frames: LogFrames {
        LogFrames(older: older.frames, newest: newest.frames, file: file)
    }

    /// The number of committed frames.
    public var frameCount: Int { older.frames.count + newest.frames.count }

    /// Size of the database in pages after the last commit; 0 without one.
    public var pageCount: UInt32 { newest.frames.isEmpty ? older.pageCount : newest.pageCount }

    /// What one file holds that counts.
    public subscript(file: WALFile) -> WALContent { file == self.file ? newest : older }

    /// The version in the header of a file, if it names a format that is not implemented.
    public var unsupportedVersion: WALVersion? { newest.unsupportedVersion }
}
