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
    /// Commits to the log as SQLite counts them.
    private(set) var hookCalls = 0
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
        connection.onCommit = { [unowned self] in hookCalls += 1 }
        connections.append(connection)
        return connection
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
        let identical = identicalCommits
        let expected = hookCalls - identical
        #expect(follower.logCommits == expected, "commits: \(note())", sourceLocation: sourceLocation)
        let content = WALContent(reading: follower.read)
        #expect(content.header == follower.capture.header, "\(note())", sourceLocation: sourceLocation)
        #expect(content.frames == follower.capture.frames, "\(note())", sourceLocation: sourceLocation)
        try checkLastCommit(note(), sourceLocation)
        try reader.withContent { bytes in
            guard let size = follower.table.pageSize else { return #expect(bytes.isEmpty) }
            let count = bytes.count / size.bytes
            if !follower.suspect.isEmpty { follower.table.resize(to: UInt32(count)) }
            #expect(Int(follower.table.pageCount) == count, "pages: \(note())", sourceLocation: sourceLocation)
            var sum = Checksum.empty
            var wrong: [UInt32] = []
            for number in 1...UInt32(max(count, 1)) where number <= count {
                let page = PageNumber(number)
                let start = Int(number - 1) * size.bytes
                let data = UnsafeRawBufferPointer(rebasing: bytes[start..<start + size.bytes])
                let checksum = PageChecksum.compute(page, data)
                sum.toggle(checksum)
                if follower.table[page] == nil { gaps += 1 }
                if follower.table[page] == nil || follower.suspect.contains(page) { follower.table.set(page, checksum) }
                if follower.table[page] != checksum { wrong.append(number) }
            }
            #expect(wrong.isEmpty, "\(note())", sourceLocation: sourceLocation)
            #expect(follower.table.databaseChecksum == sum, "\(note())", sourceLocation: sourceLocation)
            follower.suspect.removeAll()
        }
    }

    /// Commits that repeat the frame before and so count as padding.
    var identicalCommits = 0

    /// The references into the log are right.
    private func checkLastCommit(_ note: String, _ sourceLocation: SourceLocation) throws {
        guard let commit = follower.commits.last, let size = follower.capture.pageSize else { return }
        #expect(zip(commit.pages, commit.pages.dropFirst()).allSatisfy { $0.number < $1.number })
        #expect(commit.pages.allSatisfy { $0.number.rawValue <= commit.pageCount })
        let frames = follower.capture.frames
        let last = follower.capture.lastTransaction
        #expect(last.suffix(from: Int(commit.firstFrame - 1)) == frames[Int(commit.firstFrame - 1)...])
        for page in commit.pages {
            let start = Int(WALFrames.pageOffset(ofFrame: page.frame, pageSize: size))
            let data = UnsafeRawBufferPointer(rebasing: follower.log.bytes[start..<start + size.bytes])
            let checksum = PageChecksum.compute(page.number, data)
            let isRight = checksum == page.checksum && frames[Int(page.frame) - 1] == page.number.rawValue
            if !isRight { Issue.record("frame \(page.frame): \(note)", sourceLocation: sourceLocation) }
        }
    }
}
