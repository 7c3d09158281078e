import Capture
import SQLiteFormat
import Testing

/// Every kind of transaction that SQLite writes to a log, seen from the writes.
struct WALScenarioTests {
    static let pageSizes = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]

    /// Inserts `rows` rows of about `bytes` bytes.
    static func insert(_ rows: Int, bytes: Int) -> String {
        """
        INSERT INTO t(b, c) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(rows)) \
        SELECT randomblob(\(bytes)), i FROM n
        """
    }

    @Test(arguments: pageSizes)
    func `Each statement of its own is one transaction`(pageSize: Int) throws {
        let primary = try Primary(pageSize: pageSize)
        let connection = try primary.connect()
        for round in 0..<20 {
            try connection.run(Self.insert(round % 5 + 1, bytes: pageSize * (round % 7) / 3))
            try primary.verify("round \(round)")
        }
        #expect(primary.follower.logCommits == 21)
    }

    @Test(arguments: pageSizes, ["OFF", "NORMAL", "FULL", "EXTRA"])
    func `A transaction that spills is one transaction with the newest pages`(
        pageSize: Int,
        sync: String
    ) throws {
        let primary = try Primary(pageSize: pageSize)
        let connection = try primary.connect()
        try connection.run("PRAGMA synchronous=\(sync); PRAGMA cache_size=5; PRAGMA cache_spill=5")
        try connection.run("CREATE INDEX i ON t(c)")
        for round in 0..<3 {
            try connection.run(
                "BEGIN; \(Self.insert(60, bytes: pageSize / 2)); UPDATE t SET c = c + 1, b = randomblob(9)"
            )
            try connection.run(
                "DELETE FROM t WHERE a % 3 = 0; \(Self.insert(30, bytes: pageSize * 2)); COMMIT"
            )
            try primary.verify("round \(round)")
            try connection.run("BEGIN; UPDATE t SET c = -c; \(Self.insert(60, bytes: pageSize)); ROLLBACK")
            try primary.verify("rolled back \(round)")
            try connection.run("UPDATE t SET c = c + 7 WHERE a % 5 = 0")
            try primary.verify("after the rollback \(round)")
        }
        #expect(primary.follower.seen[.rewrittenPendingFrame, default: 0] > 0)
        #expect(primary.follower.seen[.withdrawal] == nil)
    }

    @Test
    func `Savepoints that are rolled back after a spill leave what was kept`() throws {
        let primary = try Primary(pageSize: 1024)
        let connection = try primary.connect()
        try connection.run("PRAGMA cache_size=4; PRAGMA cache_spill=4; \(Self.insert(50, bytes: 300))")
        for round in 0..<20 {
            try connection.run("BEGIN; UPDATE t SET c = c + 1 WHERE a % 2 = 0; SAVEPOINT s")
            try connection.run("UPDATE t SET b = randomblob(200); \(Self.insert(40, bytes: 700))")
            try connection.run("ROLLBACK TO s; UPDATE t SET c = \(round) WHERE a < 20; RELEASE s; COMMIT")
            try primary.verify("round \(round)")
        }
        #expect(primary.follower.seen[.withdrawal] == nil)
    }

    @Test
    func `A page that spills twice with the same content takes back no commit`() throws {
        let primary = try Primary(pageSize: 1024)
        let connection = try primary.connect()
        try connection.run("PRAGMA cache_size=4; PRAGMA cache_spill=4; \(Self.insert(30, bytes: 700))")
        for round in 0..<20 {
            // Spills all pages, changes two of them, and changes them back.
            try connection.run(
                "BEGIN; UPDATE t SET c = \(round); SELECT sum(length(b)) FROM t; PRAGMA cache_size=100"
            )
            try connection.run(
                "SAVEPOINT s; UPDATE t SET c = -1 WHERE a < 6; ROLLBACK TO s; COMMIT; PRAGMA cache_size=4"
            )
            try primary.verify("round \(round)")
        }
        #expect(primary.follower.seen[.rewrittenPendingFrame, default: 0] > 0)
        #expect(primary.follower.seen[.withdrawal] == nil)
    }

    @Test
    func `A commit that only repeats the frame before is no transaction`() throws {
        let primary = try Primary(pageSize: 1024)
        let connection = try primary.connect()
        try connection.run(Self.insert(3, bytes: 20))
        for round in 0..<5 {
            try connection.run("UPDATE t SET c = \(round)")
            try primary.verify("round \(round)")
            // The page is written, although it is as it was.
            try connection.run("BEGIN; SAVEPOINT s; UPDATE t SET c = -1; ROLLBACK TO s; RELEASE s; COMMIT")
            try primary.verify("repeated \(round)")
        }
        #expect(primary.repetitions == 5)
        #expect(primary.follower.seen[.withdrawal] == nil)
    }

    @Test
    func `Checkpoints of all kinds, restarts and a bounded log change nothing`() throws {
        let primary = try Primary(pageSize: 4096)
        let connections = try (0..<3).map { _ in try primary.connect() }
        for connection in connections { try connection.run("PRAGMA journal_size_limit=20000") }
        for round in 0..<60 {
            let connection = connections[round % 3]
            try connection.run(Self.insert(round % 4 + 1, bytes: 5000))
            try primary.verify("round \(round)")
            let kind = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"][round / 2 % 4]
            if round % 2 == 1 { try connections[(round + 1) % 3].run("PRAGMA wal_checkpoint(\(kind))") }
            try primary.verify("\(kind) \(round)")
        }
        #expect(primary.follower.seen[.restart, default: 0] > 5)
        #expect(primary.follower.seen[.truncation, default: 0] > 0)
        try primary.reopen()
        try primary.verify("reopened")
    }

    @Test(arguments: ["NONE", "FULL", "INCREMENTAL"])
    func `A database that grows and shrinks has the pages that SQLite says`(vacuum: String) throws {
        let setup = "PRAGMA auto_vacuum=\(vacuum); PRAGMA journal_mode=WAL"
        let primary = try Primary(pageSize: 1024, setup: setup)
        let connection = try primary.connect()
        try connection.run("PRAGMA cache_size=10; PRAGMA cache_spill=10")
        for round in 0..<10 {
            try connection.run(Self.insert(50, bytes: 1500))
            try primary.verify("grown \(round)")
            // Pages that are allocated and freed again: a log has them nevertheless.
            try connection.run(
                "BEGIN; PRAGMA cache_size=1000; CREATE TABLE u(b); INSERT INTO u VALUES (zeroblob(40000)); DROP TABLE u; COMMIT"
            )
            try primary.verify("gap \(round)")
            try connection.run("DELETE FROM t WHERE a % 4 < 3")
            try primary.verify("deleted \(round)")
            try connection.run(round % 2 == 0 ? "VACUUM" : "PRAGMA incremental_vacuum(7)")
            try primary.verify("shrunk \(round)")
        }
        #expect(primary.gaps == 0)
    }

    @Test(arguments: [512, 4096])
    func `Padding to the sector after a commit is no transaction`(pageSize: Int) throws {
        let primary = try Primary(pageSize: pageSize, parameters: "psow=0")
        let connection = try primary.connect()
        try connection.run("PRAGMA synchronous=FULL")
        for round in 0..<20 {
            try connection.run(Self.insert(round % 3 + 1, bytes: pageSize))
            try primary.verify("round \(round)")
            primary.follower.resume(afterCommit: round % primary.follower.commits.count)
            if round == 10 { try connection.run("PRAGMA wal_checkpoint(RESTART)") }
        }
        let frames = primary.follower.capture.frames.count
        #expect(frames > primary.follower.commits.reduce(0) { $0 + Int($1.lastFrame - $1.firstFrame + 1) })
        #expect(primary.follower.seen[.partialFrame, default: 0] > 0)
    }

    @Test
    func `A log that is taken over after any commit gives the rest and goes on`() throws {
        let primary = try Primary(pageSize: 1024)
        let connection = try primary.connect()
        try connection.run("PRAGMA cache_size=4; PRAGMA cache_spill=4")
        for round in 0..<12 {
            try connection.run(
                "BEGIN; \(Self.insert(round * 4 + 1, bytes: 400)); UPDATE t SET c = c + 1; COMMIT"
            )
            for index in 0...primary.follower.commits.count { primary.follower.resume(afterCommit: index) }
            try connection.run("BEGIN; UPDATE t SET c = c + 1; ROLLBACK")
            for index in 0...primary.follower.commits.count { primary.follower.resume(afterCommit: index) }
            try primary.verify("round \(round)")
        }
    }
}
