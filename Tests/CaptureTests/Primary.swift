import Capture
import LTX
import SQLiteFormat
import Testing

/// A database that SQLite writes, and what was captured of it.
final class Primary {
    let folder: TemporaryFolder
    let follower = Follower()
    private let vfs: RecordingVFS
    private let parameters: String
    /// Reads what was committed.
    private(set) var reader: Connection
    private var connections: [Connection] = []
    /// Commits to the log as SQLite counts them, without those that only repeat the frame before.
    private(set) var hookCalls = 0
    /// Commits that only repeat the frame before: nothing in a log tells them from padding, and they change nothing.
    private(set) var repetitions = 0
    /// The log, and its frames, at SQLite's last commit.
    private var published: (header: WALHeader?, frames: Int) = (nil, 0)
    /// Pages that a transaction added without writing them, found when the content was read.
    private(set) var gaps = 0

    init(pageSize: Int, setup: String = "PRAGMA journal_mode=WAL", parameters: String = "") throws {
        folder = try TemporaryFolder()
        vfs = RecordingVFS { [follower] file, operation in follower.handle(file, operation) }
        self.parameters = parameters
        reader = try Connection(folder.file("d"), vfs: vfs.name, parameters: parameters)
        let first = try connect()
        try first.run("PRAGMA page_size=\(pageSize); \(setup); CREATE TABLE t(a INTEGER PRIMARY KEY, b, c)")
    }

    func connect() throws -> Connection {
        let connection = try Connection(folder.file("d"), vfs: vfs.name, parameters: parameters)
        connection.onCommit = { [unowned self] in noteCommit(frames: $0) }
        connections.append(connection)
        return connection
    }

    private func noteCommit(frames: Int) {
        let header = follower.capture.header
        let previous = header == published.header ? published.frames : 0
        published = (header, frames)
        if previous > 0, (previous..<frames).allSatisfy({ isRepeated(UInt32($0)) }) {
            repetitions += 1
        } else {
            hookCalls += 1
        }
    }

    /// Whether the frame behind has the same page, size of the database, and content.
    private func isRepeated(_ frame: UInt32) -> Bool {
        guard let size = follower.capture.pageSize else { return false }
        let start = Int(WALFrames.offset(ofFrame: frame, pageSize: size))
        let next = start + WALFrames.frameSize(size)
        let log = follower.log.bytes
        return log[start..<start + 8].elementsEqual(log[next..<next + 8])
            && log[start + WALFrameHeader.size..<next]
                .elementsEqual(log[next + WALFrameHeader.size..<next + WALFrames.frameSize(size)])
    }

    /// Closes all connections; the last one removes the log.
    func reopen() throws {
        for connection in connections { connection.close() }
        connections = []
        reader.close()
        reader = try Connection(folder.file("d"), vfs: vfs.name, parameters: parameters)
    }

    /// Compares what was captured with what a reader sees.
    func verify(
        _ note: @autoclosure () -> String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let expected = hookCalls + (follower.unpublished == nil ? 0 : 1)
        #expect(follower.logCommits == expected, "commits: \(note())", sourceLocation: sourceLocation)
        let content = WALContent(reading: follower.read)
        #expect(content.header == follower.capture.header, "\(note())", sourceLocation: sourceLocation)
        let frames = follower.capture.frames
        #expect(
            zip(content.frames, frames).allSatisfy { $0 == $1 },
            "\(note())",
            sourceLocation: sourceLocation
        )
        if content.frames.count < frames.count {
            lostToRecovery += 1
            let lost = follower.commits.first { Int($0.lastFrame) > content.frames.count }
            #expect(lost.map(hasUnsealedFrame) == true, "\(note())", sourceLocation: sourceLocation)
        }
        try checkLastCommit(note(), sourceLocation)
        // The table is ahead of SQLite until the next writer comes.
        if follower.unpublished != nil { return }
        try reader.withContent { bytes in
            guard let size = follower.table.pageSize else { return #expect(bytes.isEmpty) }
            let count = bytes.count / size.bytes
            if !follower.suspect.isEmpty { follower.table.resize(to: UInt32(count)) }
            #expect(
                Int(follower.table.pageCount) == count,
                "pages: \(note())",
                sourceLocation: sourceLocation
            )
            var sum = Checksum.empty
            var wrong: [UInt32] = []
            for number in 1...UInt32(max(count, 1)) where number <= count {
                let page = PageNumber(number)
                let start = Int(number - 1) * size.bytes
                let data = UnsafeRawBufferPointer(rebasing: bytes[start..<start + size.bytes])
                let checksum = PageChecksum.compute(page, data)
                sum.toggle(checksum)
                if follower.table[page] == nil { gaps += 1 }
                if follower.table[page] == nil || follower.suspect.contains(page) {
                    follower.table.set(page, checksum)
                }
                if follower.table[page] != checksum { wrong.append(number) }
            }
            #expect(wrong.isEmpty, "\(note())", sourceLocation: sourceLocation)
            #expect(follower.table.databaseChecksum == sum, "\(note())", sourceLocation: sourceLocation)
            follower.suspect.removeAll()
        }
    }

    /// How often the log held commits that a recovery would not find.
    private(set) var lostToRecovery = 0
    private func hasUnsealedFrame(_ commit: WALCapture.Commit) -> Bool {
        guard let size = follower.capture.pageSize else { return false }
        return (commit.firstFrame...commit.lastFrame)
            .contains { frame in
                let start = Int(WALFrames.offset(ofFrame: frame, pageSize: size))
                return follower.log.bytes[start + 8..<start + WALFrameHeader.size].allSatisfy { $0 == 0 }
            }
    }

    /// The references into the log are right.
    private func checkLastCommit(_ note: String, _ sourceLocation: SourceLocation) throws {
        guard let commit = follower.commits.last, let size = follower.capture.pageSize else { return }
        #expect(zip(commit.pages, commit.pages.dropFirst()).allSatisfy { $0.number < $1.number })
        #expect(commit.pages.allSatisfy { $0.number.rawValue <= commit.pageCount })
        let frames = follower.capture.frames
        let last = follower.capture.lastTransaction
        let first = Int(commit.firstFrame - 1)
        // Nothing is left of it after a withdrawal.
        #expect(last.isEmpty || last.startIndex <= first && last[first...] == frames[first...])
        for page in commit.pages {
            let start = Int(WALFrames.pageOffset(ofFrame: page.frame.frame, pageSize: size))
            let data = UnsafeRawBufferPointer(rebasing: follower.log.bytes[start..<start + size.bytes])
            let checksum = PageChecksum.compute(page.number, data)
            let isRight =
                checksum == page.checksum && frames[Int(page.frame.frame) - 1] == page.number.rawValue
            if !isRight { Issue.record("frame \(page.frame): \(note)", sourceLocation: sourceLocation) }
        }
    }
}
