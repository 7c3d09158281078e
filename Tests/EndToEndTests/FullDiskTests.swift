import CSQLite
import Glibc
import Harness
import LTX
import POSIX
import Testing

/// A data directory on a small file system that runs full.
@Suite(.serialized, .logsOnFailure)
struct FullDiskTests {
    @Test(arguments: ["wal", "delete"])
    func `A full disk on the primary reaches SQLite, and all recovers when space returns`(
        mode: String
    ) async throws {
        try await withCluster(limit: .seconds(90), isStarted: false) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let disk = try SmallDisk(primary.settings.dataFolder, megabytes: 24)
            defer { disk.remove() }
            try cluster.start()
            let connection = try primary.open("full.db")
            try connection.run("PRAGMA journal_mode=\(mode); CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
            try connection.run(filling(rows: 100, bytes: 2000))
            try disk.fill(leaving: 3 << 20)
            var refusal: SQLiteConnection.Failure?
            for _ in 0..<200 where refusal == nil {
                refusal = connection.refusal("BEGIN; " + filling(rows: 100, bytes: 3000) + "COMMIT")
            }
            let code = (refusal?.code ?? 0) & 0xFF
            #expect(code == SQLITE_FULL || code == SQLITE_IOERR, "\(String(describing: refusal))")
            connection.refusal("ROLLBACK")
            let count = try connection.value("SELECT count(*) FROM t")
            try disk.empty()
            try eventually("a commit works again", within: .seconds(15)) {
                connection.refusal("INSERT INTO t(b) VALUES('after')") == nil
            }
            #expect(try connection.value("SELECT count(*) FROM t") == "\((Int(count) ?? 0) + 1)")
            connection.close()
            try expectConverged("full.db", primary, replica, isReplayed: false)
            try primary.stop()
            try primary.start()
            try expectConverged("full.db", primary, replica, isReplayed: false)
            try replica.stop()
            try primary.stop()
        }
    }

    @Test
    func `A full disk on a replica stops it for as long as it is full, and its readers go on`() async throws {
        try await withCluster(limit: .seconds(90), isStarted: false) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let disk = try SmallDisk(replica.settings.dataFolder, megabytes: 48)
            defer { disk.remove() }
            try cluster.start()
            try primary.sqlite3(
                "full.db",
                "PRAGMA journal_mode=wal; CREATE TABLE t(id INTEGER PRIMARY KEY, b);"
            )
            try primary.sqlite3("full.db", filling(rows: 100, bytes: 2000))
            try waitForSamePosition("full.db", primary, replica)
            try disk.fill(leaving: 1 << 20)
            for _ in 0..<10 { try primary.sqlite3("full.db", filling(rows: 200, bytes: 3000)) }
            try eventually("the replica says that its disk is full") { replica.log.contains("ENOSPC") }
            let readable = try replica.sqlite3(
                "full.db",
                "PRAGMA integrity_check; SELECT count(*) >= 100 FROM t;"
            )
            #expect(readable == "ok\n1")
            try disk.empty()
            try expectConverged("full.db", primary, replica, within: .seconds(30))
            try replica.stop()
        }
    }
}
