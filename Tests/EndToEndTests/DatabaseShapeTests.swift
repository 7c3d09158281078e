import Harness
import LTX
import POSIX
import Testing

@Suite(.serialized, .cluster(), .logsOnFailure)
struct DatabaseShapeTests {
    @Test(arguments: [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536], ["wal", "delete"])
    func `Every page size is replicated`(pageSize: Int, mode: String) throws {
        let (primary, replica) = try nodes()
        let name = "page-\(pageSize)-\(mode).db"
        let connection = try primary.open(name)
        try connection.run("PRAGMA page_size=\(pageSize); PRAGMA journal_mode=\(mode)")
        try connection.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        try connection.run(filling(rows: 30, bytes: pageSize))
        try connection.run(
            "UPDATE t SET b = randomblob(\(pageSize * 2)) WHERE id % 3 = 0; DELETE FROM t WHERE id < 5"
        )
        #expect(try connection.value("PRAGMA page_size") == "\(pageSize)")
        connection.close()
        try expectConverged(name, primary, replica)
    }

    @Test(arguments: ["wal", "delete", "truncate", "persist"])
    func `VACUUM shrinks the replica's database too`(mode: String) throws {
        let (primary, replica) = try nodes()
        let name = "vacuum-\(mode).db"
        let connection = try primary.open(name)
        try connection.run("PRAGMA journal_mode=\(mode); CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        try connection.run(filling(rows: 1500, bytes: 3000))
        let large = try primary.export(name).count
        try connection.run("DELETE FROM t WHERE id % 10 <> 0")
        try connection.run("VACUUM")
        try connection.run("INSERT INTO t(b) VALUES('after')")
        #expect(try primary.export(name).count < large / 4)
        connection.close()
        try expectConverged(name, primary, replica)
    }

    @Test(arguments: [(4096, 512), (512, 65536), (65536, 4096), (1024, 8192)])
    func `VACUUM may change the page size`(from: Int, to: Int) throws {
        let (primary, replica) = try nodes()
        let name = "resize-\(from)-\(to).db"
        let connection = try primary.open(name)
        try connection.run("PRAGMA page_size=\(from); CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        try connection.run(filling(rows: 100, bytes: 3000))
        try waitForSamePosition(name, primary, replica)
        let reader = try replica.open(name)
        #expect(try reader.value("SELECT count(*) FROM t") == "100")
        try connection.run("PRAGMA page_size=\(to); VACUUM; INSERT INTO t(b) VALUES('after')")
        #expect(try connection.value("PRAGMA page_size") == "\(to)")
        reader.close()
        connection.close()
        try expectConverged(name, primary, replica)
    }

    @Test(arguments: ["wal", "delete"], ["full", "incremental"])
    func `Auto-vacuum shrinks the replica's database too`(mode: String, kind: String) throws {
        let (primary, replica) = try nodes()
        let name = "auto-\(mode)-\(kind).db"
        let connection = try primary.open(name)
        try connection.run("PRAGMA auto_vacuum=\(kind); PRAGMA journal_mode=\(mode)")
        try connection.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        try connection.run(filling(rows: 400, bytes: 3500))
        for step in 1...4 {
            try connection.run("DELETE FROM t WHERE id > \(400 - step * 90)")
            if kind == "incremental" { try connection.run("PRAGMA incremental_vacuum(60)") }
        }
        try connection.run(filling(rows: 20, bytes: 2000))
        connection.close()
        try expectConverged(name, primary, replica)
    }

    @Test(arguments: ["passive", "full", "restart", "truncate"])
    func `A checkpoint between commits loses nothing`(kind: String) throws {
        let (primary, replica) = try nodes()
        let name = "checkpoint-\(kind).db"
        let connection = try primary.open(name)
        try connection.run("PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0")
        try connection.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        for _ in 0..<6 {
            try connection.run(filling(rows: 10, bytes: 3000))
            let before = try primary.position(name)
            #expect(try connection.value("PRAGMA wal_checkpoint(\(kind))").hasPrefix("0|"))
            #expect(try primary.position(name) == before, "a checkpoint is no transaction")
            try connection.run("UPDATE t SET b = randomblob(100) WHERE id % 5 = 0")
        }
        connection.close()
        try expectConverged(name, primary, replica)
    }

    @Test
    func `Automatic checkpoints under a stream of commits lose nothing`() throws {
        let (primary, replica) = try nodes()
        let connection = try primary.open("autocheckpoint.db")
        try connection.run("PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=20; PRAGMA synchronous=NORMAL")
        try connection.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        for index in 0..<400 {
            try connection.run(
                "INSERT OR REPLACE INTO t VALUES(\(index % 50), randomblob(\(index % 7 * 900)))"
            )
        }
        connection.close()
        try expectConverged("autocheckpoint.db", primary, replica)
    }

    @Test
    func `Many databases are replicated side by side`() throws {
        let (primary, replica) = try nodes()
        let names = (1...12).map { "many-\($0).db" }
        let connections = try names.map { try primary.open($0) }
        for (index, connection) in connections.enumerated() {
            try connection.run("PRAGMA journal_mode=\(index % 2 == 0 ? "wal" : "delete")")
            try connection.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        }
        for _ in 0..<5 { for connection in connections { try connection.run(filling(rows: 3, bytes: 1000)) } }
        for connection in connections { connection.close() }
        for name in names { try waitForSamePosition(name, primary, replica) }
        for name in names.prefix(2) { try expectConverged(name, primary, replica) }
        for name in names { #expect(try primary.export(name) == replica.export(name), "\(name)") }
    }

    private func nodes() throws -> (DaemonProcess, DaemonProcess) {
        let cluster = try Cluster.current()
        return (cluster.primary, try cluster.replica)
    }
}
