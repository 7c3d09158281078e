import Harness
import LTX
import POSIX
import Testing

/// SQLite's logs pass the daemon by: what is captured is what was looked for.
@Suite(.serialized, .cluster(passthrough: "on"), .logsOnFailure)
struct PassthroughTests {
    private func nodes() throws -> (DaemonProcess, DaemonProcess) {
        let cluster = try Cluster.current()
        return (cluster.primary, try cluster.replica)
    }

    @Test
    func `Writes to a log pass by, and each commit has its transaction`() throws {
        let (primary, replica) = try nodes()
        let connection = try primary.open("counted.db")
        try connection.run("PRAGMA journal_mode=wal; CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        let before = try primary.position("counted.db").txid.rawValue
        for number in 1...300 {
            try connection.run("INSERT INTO t(b) VALUES(\(number))")
            // Whoever asks gets what is committed, not what was captured so far.
            if number % 50 == 0 {
                #expect(try primary.position("counted.db").txid.rawValue == before + UInt64(number))
            }
        }
        #expect(try primary.metric("litefs_db_wal_write_count{db=\"counted.db\"}") == 0)
        #expect(try primary.metric("litefs_db_withdrawn_count{db=\"counted.db\"}") == 0)
        connection.close()
        try expectConverged("counted.db", primary, replica, isReplayed: true)
    }

    @Test(arguments: [
        // Transactions that spill write frames again, and rewrite headers.
        "PRAGMA cache_size=10; BEGIN; INSERT INTO t(b) SELECT randomblob(3000) FROM series; UPDATE t SET b = randomblob(3000); COMMIT;",
        // Savepoints that are rolled back behind spilled pages leave frames without checksums.
        """
        PRAGMA cache_size=10; BEGIN; INSERT INTO t(b) SELECT randomblob(3000) FROM series; SAVEPOINT a;
        UPDATE t SET b = randomblob(3000); ROLLBACK TO a; UPDATE t SET b = 'x' WHERE id % 7 = 0; COMMIT;
        """,
        "INSERT INTO t(b) SELECT randomblob(3000) FROM series; DELETE FROM t WHERE id % 3 > 0; VACUUM; INSERT INTO t(b) VALUES('after');",
        "PRAGMA wal_autocheckpoint=5; INSERT INTO t(b) VALUES(1); INSERT INTO t(b) SELECT randomblob(3000) FROM series; DELETE FROM t;",
        """
        INSERT INTO t(b) VALUES(1); PRAGMA wal_checkpoint(PASSIVE); INSERT INTO t(b) VALUES(2); PRAGMA wal_checkpoint(RESTART);
        INSERT INTO t(b) VALUES(3); PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t(b) VALUES(4);
        """,
        "INSERT INTO t(b) VALUES(1); PRAGMA journal_mode=delete; INSERT INTO t(b) VALUES(2); PRAGMA journal_mode=wal; INSERT INTO t(b) VALUES(3);",
        "PRAGMA locking_mode=exclusive; INSERT INTO t(b) SELECT randomblob(3000) FROM series; DELETE FROM t WHERE id < 50; INSERT INTO t(b) VALUES(5);",
        "PRAGMA synchronous=off; INSERT INTO t(b) SELECT randomblob(3000) FROM series; INSERT INTO t(b) VALUES('last');",
    ])
    func `Replicas get what programs do in a log that passes by`(script: String) throws {
        let (primary, replica) = try nodes()
        let name = "script-\(script.utf8.reduce(UInt32(0)) { $0 &* 31 &+ UInt32($1) }).db"
        let series = script.replacing(
            "series",
            with:
                "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT i FROM n)"
        )
        try primary.sqlite3(name, "PRAGMA journal_mode=wal; CREATE TABLE t(id INTEGER PRIMARY KEY, b);")
        for _ in 0..<3 {
            try primary.sqlite3(name, series)
            try expectConverged(name, primary, replica, isReplayed: true)
        }
    }

    @Test
    func `A program that holds its log for itself is followed by its checksums`() throws {
        let (primary, replica) = try nodes()
        try primary.sqlite3("alone.db", "PRAGMA journal_mode=wal; CREATE TABLE t(id INTEGER PRIMARY KEY, b);")
        let connection = try primary.open("alone.db")
        try connection.run("PRAGMA locking_mode=exclusive; INSERT INTO t(b) VALUES(0)")
        #expect(!Files.exists(primary.path("alone.db-shm")))
        for number in 1...200 { try connection.run("INSERT INTO t(b) VALUES(\(number))") }
        try waitForSamePosition("alone.db", primary, replica)
        #expect(try replica.sqlite3("alone.db", "SELECT count(*) FROM t;") == "201")
        try connection.run("PRAGMA wal_checkpoint(RESTART); DELETE FROM t WHERE id > 100")
        connection.close()
        try expectConverged("alone.db", primary, replica, isReplayed: true)
        #expect(try replica.sqlite3("alone.db", "SELECT count(*) FROM t;") == "100")
    }

    @Test
    func `Exports during commits and checkpoints are states of the database`() throws {
        let (primary, replica) = try nodes()
        let cluster = try Cluster.current()
        try primary.sqlite3("busy.db", "PRAGMA journal_mode=wal; CREATE TABLE t(id INTEGER PRIMARY KEY, b);")
        let writer = try Program(
            [try Binary.path("workload"), "write", primary.path("busy.db"), "wal", "7", "mixed", "4000"],
            output: primary.settings.folder + "/busy"
        )
        var count = 0
        while writer.exit == nil || count < 3 {
            count += 1
            let copy = cluster.folder.path + "/export.db"
            try Files.replace(copy, with: try primary.export("busy.db"))
            let connection = try SQLiteConnection(copy)
            #expect(try connection.value("PRAGMA integrity_check") == "ok")
            connection.close()
        }
        #expect(try writer.waitForExit(within: .seconds(50)) == .code(0))
        try expectConverged("busy.db", primary, replica, isReplayed: true)
        #expect(!primary.log.contains("is not what it was at"))
    }

    @Test(arguments: [true, false])
    func `Nothing that a program was promised is lost when it outlives the mount`(isKilled: Bool) async throws
    {
        let passes: (inout NodeSettings) -> Void = { if $0.isPrimary { $0.passthrough = "on" } }
        try await withCluster(limit: .seconds(60), configure: passes) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            try primary.sqlite3(
                "left.db",
                "PRAGMA journal_mode=wal; CREATE TABLE t(id INTEGER PRIMARY KEY, b);"
            )
            let left = try primary.open("left.db")
            try left.run(
                "PRAGMA synchronous=normal; PRAGMA wal_autocheckpoint=0; INSERT INTO t(b) VALUES('first')"
            )
            if isKilled { try primary.kill() } else { try primary.stop() }
            var promised = 1
            func commit() -> Bool {
                guard (try? left.run("INSERT INTO t(b) VALUES('left')")) != nil else { return false }
                promised += 1
                return true
            }
            for _ in 0..<50 where !commit() { break }
            #expect(promised > 1)
            // Until the new daemon has taken the log over, the program may go on.
            try primary.start(until: .running)
            let end = MonotonicTime.now + .seconds(20)
            while commit(), MonotonicTime.now < end { pause(.microseconds(300)) }
            #expect(!commit() && !commit())
            try primary.wait(for: .ready)
            let rows = try primary.sqlite3("left.db", "SELECT count(*) FROM t; PRAGMA integrity_check;")
            #expect(rows == "\(promised)\nok")
            try primary.sqlite3("left.db", "INSERT INTO t(b) VALUES('new');")
            try expectConverged("left.db", primary, replica)
            // The old log is kept while the program has it, and no longer.
            let old = primary.settings.dataFolder + "/dbs/left.db/wal.old-1"
            #expect(Files.exists(old))
            // It is never the log again, also not when the one that replaced it was copied back and removed.
            for number in 1...20 {
                try primary.sqlite3("left.db", "INSERT INTO t(b) VALUES('later \(number)');")
            }
            #expect(!Files.exists(primary.path("left.db-wal")))
            try primary.stop()
            try primary.start()
            let later = try primary.sqlite3("left.db", "SELECT count(*) FROM t; PRAGMA integrity_check;")
            #expect(later == "\(promised + 21)\nok")
            #expect(Files.exists(old))
            try expectConverged("left.db", primary, replica)
            left.close()
            try primary.stop()
            try primary.start()
            #expect(!Files.exists(old))
            try expectConverged("left.db", primary, replica)
        }
    }
}
