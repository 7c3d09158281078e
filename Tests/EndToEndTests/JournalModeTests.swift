import Harness
import LTX
import POSIX
import Testing

@Suite(.serialized, .cluster(), .logsOnFailure)
struct JournalModeTests {
    static let modes = ["delete", "truncate", "persist", "wal", "memory", "off"]
    static let counted = ["delete", "truncate", "persist", "wal"]

    @Test(arguments: modes)
    func `What is committed in a journal mode arrives on the replica`(mode: String) throws {
        let (primary, replica) = try nodes()
        let name = "mode-\(mode).db"
        let connection = try primary.open(name)
        #expect(try connection.value("PRAGMA journal_mode=\(mode)") == mode)
        try connection.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        for _ in 0..<5 { try connection.run(filling(rows: 20, bytes: 700)) }
        try connection.run("UPDATE t SET b = 'changed' WHERE id % 7 = 0; DELETE FROM t WHERE id % 11 = 0")
        connection.close()
        try expectConverged(name, primary, replica)
    }

    @Test(arguments: counted)
    func `Each committed transaction counts one, and a rolled-back one none`(mode: String) throws {
        let (primary, replica) = try nodes()
        let name = "count-\(mode).db"
        let connection = try primary.open(name)
        try connection.run("PRAGMA journal_mode=\(mode); CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        try connection.run("INSERT INTO t VALUES(0, 0)")
        let start = try primary.position(name).txid.rawValue
        for index in 1...10 {
            try connection.run("BEGIN; INSERT INTO t VALUES(\(index), randomblob(3000)); COMMIT")
            #expect(try primary.position(name).txid.rawValue == start + UInt64(index))
            try connection.run("BEGIN; INSERT INTO t VALUES(\(index + 1000), randomblob(9000)); ROLLBACK")
        }
        let before = try primary.position(name)
        #expect(before.txid.rawValue == start + 10)
        try connection.run("PRAGMA cache_size=5; BEGIN")
        try connection.run(filling(rows: 200, bytes: 3000) + "UPDATE t SET b = 1; ROLLBACK")
        try connection.run("SELECT count(*) FROM t")
        #expect(try primary.position(name) == before, "a rolled-back transaction that spilled leaves nothing")
        #expect(try connection.value("SELECT count(*) FROM t") == "11")
        connection.close()
        try expectConverged(name, primary, replica)
    }

    @Test(arguments: modes)
    func `Exclusive locking mode changes nothing about it`(mode: String) throws {
        let (primary, replica) = try nodes()
        let name = "exclusive-\(mode).db"
        let connection = try primary.open(name)
        try connection.run("PRAGMA locking_mode=exclusive; PRAGMA journal_mode=\(mode)")
        try connection.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        for _ in 0..<5 { try connection.run(filling(rows: 10, bytes: 900)) }
        try connection.run("BEGIN; DELETE FROM t WHERE id < 5; COMMIT")
        connection.close()
        try expectConverged(name, primary, replica)
    }

    @Test(arguments: counted)
    func `Commits under exclusive locking arrive while the connection stays open`(mode: String) throws {
        let (primary, replica) = try nodes()
        let name = "kept-\(mode).db"
        let connection = try primary.open(name)
        try connection.run("PRAGMA locking_mode=exclusive; PRAGMA journal_mode=\(mode)")
        try connection.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        for count in 1...5 {
            try connection.run("INSERT INTO t(b) VALUES(randomblob(2000))")
            try eventually("row \(count) on the replica") {
                (try? replica.sqlite3(name, "SELECT count(*) FROM t;")) == "\(count)"
            }
        }
        connection.close()
        try expectConverged(name, primary, replica)
    }

    @Test
    func `Switching journal modes back and forth loses nothing and disturbs no reader of the replica`() throws
    {
        let (primary, replica) = try nodes()
        let name = "switch.db"
        let connection = try primary.open(name)
        try connection.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        var rows = 0
        try waitForSamePosition(name, primary, replica)
        let reader = try replica.open(name)
        for mode in ["wal", "delete", "wal", "truncate", "persist", "wal", "memory", "wal", "off", "delete"] {
            #expect(try connection.value("PRAGMA journal_mode=\(mode)") == mode)
            for _ in 0..<3 {
                try connection.run("INSERT INTO t(b) VALUES(randomblob(1500))")
                rows += 1
            }
            try eventually("\(rows) rows in mode \(mode)") {
                try reader.value("SELECT count(*) FROM t") == "\(rows)"
            }
            #expect(try reader.value("PRAGMA journal_mode") == "wal")
        }
        reader.close()
        connection.close()
        try expectConverged(name, primary, replica)
    }

    @Test(arguments: counted)
    func `Savepoints and transactions larger than the cache arrive whole`(mode: String) throws {
        let (primary, replica) = try nodes()
        let name = "spill-\(mode).db"
        let connection = try primary.open(name)
        try connection.run("PRAGMA journal_mode=\(mode); PRAGMA cache_size=10")
        try connection.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        try connection.run(filling(rows: 300, bytes: 2000))
        let before = try primary.position(name).txid.rawValue
        try connection.run("BEGIN; UPDATE t SET b = randomblob(2100) WHERE id % 3 = 0; SAVEPOINT one")
        try connection.run(filling(rows: 200, bytes: 2500) + "SAVEPOINT two; DELETE FROM t WHERE id > 100")
        try connection.run(
            "ROLLBACK TO two; UPDATE t SET b = 'x' WHERE id < 50; RELEASE two; SAVEPOINT three"
        )
        try connection.run("DELETE FROM t; ROLLBACK TO one; INSERT INTO t(b) VALUES('last'); COMMIT")
        #expect(try primary.position(name).txid.rawValue == before + 1)
        #expect(try connection.value("SELECT count(*) FROM t") == "301")
        connection.close()
        try expectConverged(name, primary, replica)
    }

    @Test(arguments: [("delete", "delete"), ("delete", "persist"), ("wal", "wal"), ("wal", "truncate")])
    func `A transaction over two attached databases is one of each`(first: String, second: String) throws {
        let (primary, replica) = try nodes()
        let (one, two) = ("attach-\(first)-\(second)-1.db", "attach-\(first)-\(second)-2.db")
        let connection = try primary.open(one)
        try connection.run("PRAGMA journal_mode=\(first); CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        try connection.run("ATTACH '\(primary.path(two))' AS two; PRAGMA two.journal_mode=\(second)")
        try connection.run("CREATE TABLE two.u(id INTEGER PRIMARY KEY, b)")
        let before = (try primary.position(one).txid.rawValue, try primary.position(two).txid.rawValue)
        for index in 1...5 {
            try connection.run(
                "BEGIN; INSERT INTO t VALUES(\(index), randomblob(5000)); INSERT INTO u VALUES(\(index), 1); COMMIT"
            )
        }
        #expect(try primary.position(one).txid.rawValue == before.0 + 5)
        #expect(try primary.position(two).txid.rawValue == before.1 + 5)
        connection.close()
        try expectConverged(one, primary, replica)
        try expectConverged(two, primary, replica)
        let names = try Files.list(primary.mount).map(\.name)
        #expect(!names.contains { $0.contains("-mj") }, "no super-journal is left: \(names)")
    }

    private func nodes() throws -> (DaemonProcess, DaemonProcess) {
        let cluster = try Cluster.current()
        return (cluster.primary, try cluster.replica)
    }
}

/// Transactions that take their time.
@Suite(.serialized, .cluster(), .logsOnFailure)
struct LongTransactionTests {
    @Test
    func `A transaction of a program that takes no locks is left alone`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try cluster.replica)
        try primary.sqlite3("alone.db", "CREATE TABLE t(id INTEGER PRIMARY KEY, b);")
        // Spilled pages are in the file, the journal is in force, and for 4 s nothing happens.
        let sql = """
            .bail on
            PRAGMA cache_size = 5;
            BEGIN;
            \(filling(rows: 500, bytes: 3000))
            .system sleep 4
            COMMIT;
            SELECT count(*) FROM t;
            PRAGMA integrity_check;
            """
        let outcome = try Outcome.of(
            ["sqlite3", "-batch", "file:\(primary.path("alone.db"))?nolock=1"],
            input: sql,
            in: cluster.folder.path
        )
        #expect(outcome.output == "500\nok\n", "\(outcome)")
        try expectConverged("alone.db", primary, replica)
    }
    @Test
    func `A saved state with a transaction under way is kept until somebody needs its content`() throws {
        let cluster = try Cluster.current()
        let primary = cluster.primary
        try primary.sqlite3(
            "live.db",
            "CREATE TABLE t(id INTEGER PRIMARY KEY, b); INSERT INTO t VALUES(0, 'a');"
        )
        let (saved, outside) = (primary.path("saved.db"), cluster.folder.path + "/outside.db")
        let live = primary.path("live.db")
        // The journal first: a database without one would be taken for what it is, and a replica would ask for its content.
        let copies = [saved, outside]
            .map { "cp '\(live)-journal' '\($0)-journal' && cp '\(live)' '\($0)'" }
            .joined(separator: " && ")
        let sql = """
            .bail on
            PRAGMA cache_size = 5;
            BEGIN;
            \(filling(rows: 500, bytes: 3000))
            .system \(copies)
            ROLLBACK;
            """
        let outcome = try Outcome.of(["sqlite3", "-batch", live], input: sql, in: cluster.folder.path)
        #expect(outcome.exit == .code(0), "\(outcome)")
        pause(.seconds(4))
        for suffix in ["", "-journal"] {
            let bytes = try Files.read(saved + suffix, limit: 1 << 24)
            #expect(
                try bytes == Files.read(outside + suffix, limit: 1 << 24),
                "saved.db\(suffix) has changed"
            )
        }
        // An export needs the content, so the transaction is rolled back now.
        let exported = cluster.folder.path + "/exported.db"
        try Files.replace(exported, with: try primary.export("saved.db"))
        let rows = try Outcome.of(
            ["sqlite3", exported, "SELECT count(*) FROM t; PRAGMA integrity_check;"],
            in: cluster.folder.path
        )
        #expect(rows.output == "1\nok\n", "\(rows)")
        try expectConverged("saved.db", primary, try cluster.replica)
    }
}
