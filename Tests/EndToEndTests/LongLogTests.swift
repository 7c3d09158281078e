import Harness
import POSIX
import Testing

/// Logs that programs would let grow without end.
@Suite(.serialized, .cluster(), .logsOnFailure)
struct LongLogTests {
    /// SQLite by itself copies frames, but never gets to begin the log anew.
    @Test func `The log of programs that write without a pause stays short`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try cluster.replica)
        let (name, count) = ("busy.db", 3000)
        let restarts = "litefs_db_wal_restart_count{db=\"\(name)\"}"
        try primary.sqlite3(name, "PRAGMA journal_mode=wal; CREATE TABLE t(id INTEGER PRIMARY KEY, b);")
        let insert = "INSERT INTO t(b) VALUES(randomblob(9000));\n"
        let script = cluster.folder.path + "/busy.sql"
        let statements =
            ".timeout 20000\nPRAGMA synchronous=normal;\n" + String(repeating: insert, count: count)
        try Files.replace(script, with: Array(statements.utf8))
        let writers = try (0..<3)
            .map { number in
                try Program(
                    ["sqlite3", "-bail", primary.path(name)],
                    output: cluster.folder.path + "/busy-\(number).out",
                    errors: cluster.folder.path + "/busy-\(number).err",
                    input: script
                )
            }
        var longest: Int64 = 0
        try eventually("all is written", within: .seconds(120)) {
            longest = max(longest, (try? Files.status(primary.path(name + "-wal")).size) ?? 0)
            return writers.allSatisfy { $0.exit != nil }
        }
        for (number, writer) in writers.enumerated() {
            let errors = text(of: cluster.folder.path + "/busy-\(number).err")
            #expect(writer.exit == .code(0) && errors.isEmpty, "\(errors)")
        }
        // Each insert is about five frames of 4 KiB; without help all of them would stay.
        #expect(longest < Int64(writers.count * count * 20_480 * 2 / 3))
        #expect(try primary.metric(restarts) ?? 0 > 0 || longest < 24 << 20)
        #expect(try primary.sqlite3(name, "SELECT count(*) FROM t;") == "\(writers.count * count)")
        try expectConverged(name, primary, replica, within: .seconds(60))
    }

    /// Whoever keeps a log on purpose finds all of it, and nobody holds a lock.
    @Test func `The log of a program that is alone with it is left alone`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try cluster.replica)
        let name = "kept.db"
        let connection = try primary.open(name)
        try connection.run("PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(b)")
        for _ in 0..<30 { try connection.run("INSERT INTO t VALUES(randomblob(1000000))") }
        try waitForSamePosition(name, primary, replica)
        pause(.seconds(1))
        #expect(try Files.status(primary.path(name + "-wal")).size > 30_000_000)
        #expect(try Files.status(primary.path(name)).size < 30_000_000)
        try connection.run("INSERT INTO t VALUES(1)")
        connection.close()
        try expectConverged(name, primary, replica)
    }
}
