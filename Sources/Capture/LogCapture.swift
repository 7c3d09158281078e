import SQLiteFormat

// A log has one file, or, in wal2 mode, two of which each continues the other:
//
//     -wal    | header, frames ... commit c |            next but one: header whose salts are the checksum of commit d
//                                         \              /
//     -wal2                                | header whose salts are the checksum of commit c, frames ... commit d |
//
// SQLite begins a file anew only when all of it was copied to the database file, so while one is written the frames of the other
// one count as well, unless they have been copied, which makes no difference: the database file then has the same.

/// Follows the files of a log, each by a `WALCapture`, and knows in which one the log goes on.
///
/// Not thread-safe; the owner serialises.
public final class LogCapture {
    private let first = WALCapture(of: .wal)
    private let second = WALCapture(of: .wal2)

    /// The file with the newest commit; `-wal` before the first one.
    public private(set) var file = WALFile.wal

    /// No log.
    public init() {}

    /// What follows a file.
    public subscript(file: WALFile) -> WALCapture { file == .wal ? first : second }

    /// What follows the file with the newest commit.
    public var newest: WALCapture { self[file] }
    /// What follows the other one.
    public var older: WALCapture { self[file.other] }

    /// The captured frames of both files.
    public var frames: LogFrames { LogFrames(older: older.frames, newest: newest.frames, file: file) }

    /// Whether there are captured frames.
    public var hasFrames: Bool { newest.committedFrames > 0 || older.committedFrames > 0 }

    /// The file that has frames: the one with the newest commit, or the other when that has none left.
    public var lastWithFrames: WALCapture { newest.committedFrames > 0 ? newest : older }

    /// Whether a commit in a file is the next one of the log.
    ///
    /// In the other file it is if that begins behind the last captured commit. It also is when nothing was committed in the file where
    /// the log was said to go on: the program died that wanted to.
    public func isContinued(in file: WALFile) -> Bool {
        if file == self.file { return true }
        if newest.committedFrames == 0 { return true }
        guard self[file].committedFrames == 0, let header = self[file].header, let before = newest.header
        else { return false }
        let end = WALChecksum(first: header.salt1, second: header.salt2)
        return header.continues(before, endingWith: end) && newest.endsWith(end)
    }

    /// Takes over what a wal-index says is committed, whatever was captured before.
    ///
    /// - Parameters:
    ///   - index: the header of the wal-index.
    ///   - read: reads a file.
    /// - Returns: false, and no frames, when the files do not have what it says.
    public func takeOver(_ index: WALIndexHeader, read: (WALFile) -> WALCapture.Read) -> Bool {
        end()
        let last = index[index.file] > 0 ? index.file : index.file.other
        var checksum = index.frameChecksum
        for part in [last, last.other] {
            _ = self[part].headerWritten(read: read(part))
            // The salts of a file are the checksum of the last commit before, in the other one.
            defer {
                if let header = self[part].header {
                    checksum = WALChecksum(first: header.salt1, second: header.salt2)
                }
            }
            guard index[part] > 0 else { continue }
            guard self[part].takeOver(through: index[part], checksum, read: read(part)) else {
                end()
                return false
            }
        }
        file = last
        return true
    }

    /// Notes that a commit was found in a file.
    public func goOn(in file: WALFile) {
        self.file = file
    }

    /// A file is gone or empty.
    public func end(_ file: WALFile) {
        self[file].end()
        if first.header == nil, second.header == nil { self.file = .wal }
    }

    /// The log is gone.
    public func end() {
        for file in WALFile.allCases { end(file) }
    }

    /// Takes over a log that already holds frames: the first `count` of them count as captured, the rest as just written.
    ///
    /// Then ask the older and the newest file for `nextCommit`, in this order, until there is none.
    ///
    /// - Parameters:
    ///   - content: what the log holds.
    ///   - count: how many frames are captured, the oldest first; the last of them must commit.
    ///   - fileSize: size of a file in bytes.
    ///   - read: reads a file.
    public func resume(
        _ content: LogContent,
        captured count: Int,
        fileSize: (WALFile) -> Int64,
        read: (WALFile) -> WALCapture.Read
    ) {
        end()
        file = content.file
        let olderCount = content.older.frames.count
        older.resume(
            content.older,
            capturedThrough: UInt32(min(count, olderCount)),
            fileSize: fileSize(file.other),
            read: read(file.other)
        )
        newest.resume(
            content.newest,
            capturedThrough: UInt32(max(0, count - olderCount)),
            fileSize: fileSize(file),
            read: read(file)
        )
    }
}
