import POSIX
import SQLiteFormat
import Testing

/// SQLite reads what this module wrote.
struct ReplicaTests {
    struct Shape: Sendable {
        let pageSize: Int
        let pages: Int
        var bigEndian = false
    }

    static let shapes = [
        Shape(pageSize: 512, pages: 5_000), Shape(pageSize: 1024, pages: 300, bigEndian: true),
        Shape(pageSize: 4096, pages: 60), Shape(pageSize: 65_536, pages: 12),
    ]

    @Test(arguments: shapes)
    func `SQLite reads published commits through the index, without a recovery`(shape: Shape) throws {
        let history = try History(shape)
        let replica = try history.replica()
        try replica.write(history.first)
        try replica.publish()
        let published = replica.published
        // In the log, and a recovery would find it, but the index does not name it.
        try replica.write(history.second)

        let connection = try Connection(replica.folder.file("d"))
        #expect(try content(connection) == history.contents[1])
        #expect(try connection.run("PRAGMA integrity_check") == ["ok"])
        #expect(replica.index.readHeader() == published)

        try replica.publish()
        #expect(try content(connection) == history.contents[2])
        #expect(try connection.run("PRAGMA integrity_check") == ["ok"])
        #expect(replica.index.readHeader() == replica.published)
    }

    @Test(arguments: shapes)
    func `SQLite goes on in a log and an index that were written here`(shape: Shape) throws {
        let history = try History(shape)
        let replica = try history.replica()
        try replica.write(history.first)
        try replica.publish()
        let before = replica.published

        let connection = try Connection(replica.folder.file("d"))
        try connection.run("PRAGMA wal_autocheckpoint=0; UPDATE t SET b = 'new' WHERE rowid % 2 = 0")
        let header = try replica.index.decodeHeader()
        #expect(header.changeCounter == before.changeCounter + 1)
        let reading = try LogReading(try replica.folder.bytes("d-wal"))
        #expect(reading.lastCommit == Int(header.mxFrame))
        #expect(header.mxFrame > before.mxFrame)
        #expect(reading.chains[Int(before.mxFrame)] == replica.chain)
        for (page, frame) in reading.newestFrames(upTo: reading.lastCommit) {
            #expect(try replica.index.find(page: page, upTo: header.mxFrame) == frame)
        }
        #expect(try connection.run("PRAGMA integrity_check") == ["ok"])
        let changed = try content(connection)
        #expect(try connection.run("PRAGMA wal_checkpoint(TRUNCATE)") == ["0"])
        connection.close()
        let again = try Connection(replica.folder.file("d"))
        #expect(try content(again) == changed)
        #expect(try again.run("PRAGMA integrity_check") == ["ok"])
    }

    @Test(arguments: shapes)
    func `SQLite recovers a log that was written here, up to the last commit`(shape: Shape) throws {
        let history = try History(shape)
        for isComplete in [true, false] {
            let replica = try history.replica()
            try replica.write(history.first)
            let firstCommit = (chain: replica.chain, frames: replica.frameCount)
            try replica.write(history.second, isComplete: isComplete)
            let expected = isComplete ? (replica.chain, replica.frameCount) : firstCommit

            let folder = try TemporaryFolder()
            for name in ["d", "d-wal"] { try folder.write(name, try replica.folder.bytes(name)) }
            let connection = try Connection(folder.file("d"))
            #expect(try content(connection) == history.contents[isComplete ? 2 : 1])
            #expect(try connection.run("PRAGMA integrity_check") == ["ok"])
            let memory = IndexMemory(try folder.bytes("d-shm"))
            let header = try memory.index.decodeHeader()
            #expect(header.mxFrame == expected.1)
            #expect(WALChain(resuming: header) == expected.0)
        }
    }

    @Test
    func `SQLite reads the database file alone when the index names no frame`() throws {
        let history = try History(Shape(pageSize: 4096, pages: 20))
        let replica = try history.replica()
        #expect(WALChain(resuming: replica.published) == nil)
        try replica.write(history.first)
        let connection = try Connection(replica.folder.file("d"))
        #expect(try content(connection) == history.contents[0])
        #expect(replica.index.readHeader() == replica.published)
    }

    @Test
    func `SQLite builds an invalidated index anew`() throws {
        let history = try History(Shape(pageSize: 4096, pages: 20))
        let replica = try history.replica()
        try replica.write(history.first)
        try replica.publish()
        try replica.write(history.second)
        replica.index.invalidateHeader()
        #expect(replica.index.readHeader() == nil)
        let connection = try Connection(replica.folder.file("d"))
        #expect(try content(connection) == history.contents[2])
        let header = try replica.index.decodeHeader()
        #expect(header.mxFrame == replica.frameCount)
        #expect(WALChain(resuming: header) == replica.chain)
    }

    private func content(_ connection: Connection) throws -> [String] {
        try History.content(connection)
    }

    /// Three states of a database that SQLite made, and the transactions between them.
    private struct History {
        let shape: Shape
        let start: [UInt8]
        let first: Transaction
        let second: Transaction
        let contents: [[String]]

        init(_ shape: Shape) throws {
            self.shape = shape
            let folder = try TemporaryFolder()
            var images: [[UInt8]] = []
            var contents: [[String]] = []
            for sql in [
                """
                PRAGMA page_size=\(shape.pageSize); PRAGMA journal_mode=WAL; CREATE TABLE t(b);
                CREATE INDEX i ON t(b); INSERT INTO t VALUES('a'), ('b'), ('c');
                """,
                filling(pages: shape.pages, pageSize: shape.pageSize),
                """
                UPDATE t SET b = hex(rowid) WHERE rowid % 3 = 0; DELETE FROM t WHERE rowid % 5 = 0;
                CREATE TABLE u(x); INSERT INTO u SELECT b FROM t LIMIT 5;
                """,
            ] {
                let connection = try Connection(folder.file("d"))
                try connection.run(sql)
                contents.append(try Self.content(connection))
                connection.close()
                images.append(try folder.bytes("d"))
            }
            start = images[0]
            first = Transaction(from: images[0], to: images[1], pageSize: shape.pageSize)
            second = Transaction(from: images[1], to: images[2], pageSize: shape.pageSize)
            self.contents = contents
        }

        /// The first state, with an empty log and an index that says so.
        func replica() throws -> ReplicaLog {
            let folder = try TemporaryFolder()
            try folder.write("d", start)
            let header = WALHeader(
                pageSize: try #require(PageSize(UInt32(shape.pageSize))),
                checkpointSequence: 3,
                salt1: 0x0102_0304,
                salt2: 0xf00d_cafe,
                bigEndianChecksums: shape.bigEndian
            )
            let frames = first.pages.count + second.pages.count
            return try ReplicaLog(
                folder,
                header: header,
                regions: WALIndexPart.whole.regionCount(forFrames: UInt32(frames))
            )
        }

        static func content(_ connection: Connection) throws -> [String] {
            try connection.run("SELECT rowid || ':' || hex(b) FROM t; SELECT name FROM sqlite_schema")
        }
    }
}
