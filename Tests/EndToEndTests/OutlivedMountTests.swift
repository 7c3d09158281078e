import CSQLite
import Harness
import POSIX
import Testing

/// Programs that outlive the daemon hold files of a mount that is gone; the names of these files are soon those of the next mount.
///
/// Invariant: a program with a file of one mount never uses a file of the next one beside it, and never removes one there.
@Suite(.serialized, .logsOnFailure)
struct OutlivedMountTests {
    private static let table = "CREATE TABLE t(id INTEGER PRIMARY KEY, b);"
    private static let rows =
        "INSERT INTO t(b) SELECT randomblob(900) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
        + "i < 500) SELECT i FROM n);"

    private func withNodes(
        _ passthrough: String,
        _ body: (_ primary: DaemonProcess, _ replica: DaemonProcess) throws -> Void
    ) async throws {
        let set: (inout NodeSettings) -> Void = { if $0.isPrimary { $0.passthrough = passthrough } }
        try await withCluster(limit: .seconds(90), configure: set) { cluster in
            try body(cluster.primary, try cluster.replica)
        }
    }

    private func end(_ node: DaemonProcess, byKill isKilled: Bool) throws {
        if isKilled { try node.kill() } else { try node.stop() }
    }

    /// Cached pages of an old file below the log of a new one would be a mixture of two states.
    @Test(arguments: [true, false], ["on", "off"])
    func `A file that was opened on one mount is not read or written with the log of the next`(
        isKilled: Bool,
        passthrough: String
    ) async throws {
        try await withNodes(passthrough) { primary, replica in
            let name = "a.db"
            try primary.sqlite3(name, "PRAGMA journal_mode=wal; \(Self.table) \(Self.rows)")
            try waitForSamePosition(name, primary, replica)
            for node in [primary, replica] {
                // What a pool does: it opens, and works later. All pages are cached.
                try node.sqlite3(name, "SELECT sum(length(b)) FROM t;")
                let idle = try node.open(name, flags: SQLITE_OPEN_READWRITE)
                try end(node, byKill: isKilled)
                try node.start()
                if node === primary {
                    try primary.sqlite3(name, "DELETE FROM t WHERE id % 3 = 0; VACUUM; \(Self.rows)")
                }
                try waitForSamePosition(name, primary, replica)
                let current = try node.open(name, flags: SQLITE_OPEN_READWRITE)
                let count = try current.value("SELECT count(*) FROM t")
                for sql in ["SELECT count(*) FROM t", "DELETE FROM t", "SELECT sum(length(b)) FROM t"] {
                    let code = try #require(idle.refusal(sql)?.code, "\(sql) on \(node.settings.name)")
                    #expect(code & 0xFF == SQLITE_IOERR || code & 0xFF == SQLITE_CANTOPEN, "\(sql): \(code)")
                }
                #expect(try current.run("SELECT count(*) FROM t; PRAGMA integrity_check") == [count, "ok"])
                idle.close()
                #expect(Files.exists(node.path(name + "-wal")) && Files.exists(node.path(name + "-shm")))
                current.close()
            }
            try expectConverged(name, primary, replica)
        }
    }

    /// The last connection to close a log removes it, by its name.
    @Test(arguments: [true, false], ["on", "off"])
    func `A program that closes a file of one mount removes nothing from the next`(
        isKilled: Bool,
        passthrough: String
    ) async throws {
        try await withNodes(passthrough) { primary, replica in
            let name = "a.db"
            try primary.sqlite3(name, "PRAGMA journal_mode=wal; \(Self.table) \(Self.rows)")
            try waitForSamePosition(name, primary, replica)
            for node in [primary, replica] {
                let old = try node.open(name, flags: SQLITE_OPEN_READWRITE)
                if node === primary { try old.run("\(Self.rows) PRAGMA wal_checkpoint(TRUNCATE)") }
                _ = try old.run("SELECT count(*) FROM t")
                try end(node, byKill: isKilled)
                try node.start()
                let current = try primary.open(name)
                try current.run("PRAGMA wal_autocheckpoint=0; INSERT INTO t(b) VALUES('only in the log')")
                try waitForSamePosition(name, primary, replica)
                let reader = try node.open(name, flags: SQLITE_OPEN_READWRITE)
                let count = try reader.value("SELECT count(*) FROM t")
                old.close()
                #expect(Files.exists(node.path(name + "-wal")) && Files.exists(node.path(name + "-shm")))
                let rows = try node.sqlite3(name, "SELECT count(*) FROM t; PRAGMA integrity_check;")
                #expect(rows == "\(count)\nok")
                reader.close()
                current.close()
            }
            #expect(try primary.metric("litefs_db_withdrawn_count{db=\"\(name)\"}") == 0)
            try expectConverged(name, primary, replica)
        }
    }

    @Test(arguments: [true, false])
    func `A program with a rollback journal does not get one on the next mount`(isKilled: Bool) async throws {
        try await withNodes("off") { primary, replica in
            let name = "a.db"
            try primary.sqlite3(name, "\(Self.table) \(Self.rows)")
            let old = try primary.open(name)
            _ = try old.run("SELECT sum(length(b)) FROM t")
            try end(primary, byKill: isKilled)
            try primary.start()
            try primary.sqlite3(name, "DELETE FROM t WHERE id % 2 = 0; UPDATE t SET b = randomblob(500);")
            for sql in [
                "DELETE FROM t", "BEGIN IMMEDIATE; INSERT INTO t(b) VALUES(1)", "SELECT count(*) FROM t",
            ] {
                #expect(old.refusal(sql) != nil, "\(sql)")
            }
            old.close()
            #expect(!Files.exists(primary.path(name + "-journal")))
            let rows = try primary.sqlite3(
                name,
                "SELECT count(*), sum(length(b)) FROM t; PRAGMA integrity_check;"
            )
            #expect(rows == "250|125000\nok")
            try expectConverged(name, primary, replica)
        }
    }

    @Test(arguments: [true, false])
    func `In the folder that a mount left, a program with a file of it makes none`(
        isKilled: Bool
    ) async throws {
        try await withNodes("on") { primary, replica in
            let name = "a.db"
            try primary.sqlite3(name, "PRAGMA journal_mode=wal; \(Self.table) \(Self.rows)")
            let idle = try primary.open(name, flags: SQLITE_OPEN_READWRITE)
            let busy = try primary.open(name, flags: SQLITE_OPEN_READWRITE)
            try busy.run("PRAGMA wal_autocheckpoint=0; \(Self.rows)")
            try end(primary, byKill: isKilled)
            if isKilled { try Mounts.unmount(primary.settings.mountFolder, lazily: true) }
            let started = MonotonicTime.now
            // What the daemon would give as well, whose death nobody noticed yet.
            if isKilled { pause(.milliseconds(150)) }
            for _ in 0..<50 {
                #expect(idle.refusal("SELECT count(*) FROM t") != nil)
                #expect(idle.refusal("INSERT INTO t(b) VALUES(1)") != nil)
            }
            #expect(MonotonicTime.now - started < .seconds(10))
            #expect(try Files.list(primary.settings.mountFolder).isEmpty)
            try primary.start()
            busy.close()
            idle.close()
            let rows = try primary.sqlite3(name, "SELECT count(*) FROM t; PRAGMA integrity_check;")
            #expect(rows == "1000\nok")
            try expectConverged(name, primary, replica)
        }
    }

    /// The end of a transaction removes its journal, by its name.
    @Test(arguments: [true, false], ["delete", "truncate", "persist"])
    func `A transaction that outlives its mount does not end one on the next`(
        isKilled: Bool,
        mode: String
    ) async throws {
        try await withNodes("off") { primary, replica in
            let name = "a.db"
            try primary.sqlite3(name, "\(Self.table) \(Self.rows)")
            let old = try primary.open(name)
            try old.run("PRAGMA journal_mode=\(mode); BEGIN IMMEDIATE; INSERT INTO t(b) VALUES('old')")
            try end(primary, byKill: isKilled)
            try primary.start()
            let current = try primary.open(name)
            let large = Self.rows + "UPDATE t SET b = randomblob(900)"
            try current.run("PRAGMA cache_size=10; BEGIN IMMEDIATE; \(large)")
            _ = old.refusal("ROLLBACK")
            old.close()
            #expect(Files.exists(primary.path(name + "-journal")))
            // Without its journal, half of the transaction would stay.
            try primary.kill()
            current.close()
            try primary.start()
            let rows = try primary.sqlite3(name, "SELECT count(*) FROM t; PRAGMA integrity_check;")
            #expect(rows == "500\nok")
            try expectConverged(name, primary, replica)
        }
    }
}
