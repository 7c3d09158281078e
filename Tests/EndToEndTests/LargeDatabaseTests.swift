import Harness
import LTX
import POSIX
import Testing

@Suite(.serialized, .logsOnFailure)
struct LargeDatabaseTests {
    @Test
    func `A database that grows beyond the lock page at 1 GiB is replicated`() async throws {
        try await withCluster(limit: .seconds(120)) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let connection = try primary.open("large.db")
            try connection.run("PRAGMA page_size=65536; PRAGMA journal_mode=wal; PRAGMA synchronous=OFF")
            try connection.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
            for _ in 0..<9 { try connection.run("INSERT INTO t(b) VALUES(zeroblob(120 * 1000 * 1000))") }
            try connection.run("INSERT INTO t(b) VALUES('beyond the lock page')")
            try connection.run("UPDATE t SET b = randomblob(300000) WHERE id = 9")
            #expect(try connection.value("PRAGMA page_count") > "15000")
            let wanted = try connection.run("SELECT id, length(b), substr(b, 1, 20) FROM t WHERE id > 8")
            connection.close()
            try waitForSamePosition("large.db", primary, replica, within: .seconds(60))
            let copy = try replica.open("large.db")
            #expect(try copy.run("SELECT id, length(b), substr(b, 1, 20) FROM t WHERE id > 8") == wanted)
            copy.close()
            try primary.sqlite3("large.db", "DELETE FROM t WHERE id < 9; VACUUM;")
            try expectConverged("large.db", primary, replica, isReplayed: false, within: .seconds(30))
            #expect(try Files.status(primary.path("large.db")).size < 200_000_000)
        }
    }

    @Test(arguments: ["wal", "delete"])
    func `A transaction of 40 MB arrives whole, and a fresh replica takes it`(mode: String) async throws {
        try await withCluster(replicas: 2, limit: .seconds(100), isStarted: false) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            try primary.start()
            try replica.start()
            let connection = try primary.open("bulk.db")
            try connection.run("PRAGMA journal_mode=\(mode); CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
            let before = try primary.position("bulk.db").txid.rawValue
            try connection.run(filling(rows: 10_000, bytes: 3900))
            #expect(try primary.position("bulk.db").txid.rawValue == before + 1)
            connection.close()
            try expectConverged("bulk.db", primary, replica, within: .seconds(40))
            let fresh = try #require(cluster.replicas.last)
            try fresh.start()
            try expectConverged("bulk.db", primary, fresh, isReplayed: false, within: .seconds(40))
        }
    }
}
