import Glibc
import Harness
import POSIX
import Testing

/// Names that stay on each node (`data.local`).
@Suite(.serialized, .cluster(), .logsOnFailure)
struct LocalNamesTests {
    @Test(arguments: ["wal", "delete"])
    func `A replica has local databases that programs write to`(mode: String) throws {
        let (primary, replica) = try nodes()
        let name = "scratch-\(mode).db.tmp"
        let first = try replica.open(name)
        let second = try replica.open(name)
        #expect(try first.value("PRAGMA journal_mode=\(mode)") == mode)
        try first.run("CREATE TABLE t(a); INSERT INTO t VALUES(1)")
        for connection in [first, second] { try connection.run("PRAGMA busy_timeout=0") }
        // Both share one wal-index, and see each other's commits and locks.
        #expect(try second.value("SELECT a FROM t") == "1")
        try second.run("INSERT INTO t VALUES(2)")
        #expect(try first.value("SELECT count(*) FROM t") == "2")
        try first.run("BEGIN IMMEDIATE; INSERT INTO t VALUES(3)")
        #expect(throws: (any Error).self) { try second.run("INSERT INTO t VALUES(4)") }
        try first.run("COMMIT")
        #expect(Files.exists(replica.path(name + "-wal")) == (mode == "wal"))
        #expect(try second.value("PRAGMA integrity_check") == "ok")
        first.close()
        second.close()
        #expect(!Files.exists(replica.path(name + "-pos")))
        #expect(Files.exists(replica.settings.dataFolder + "/local/" + name))
        #expect(!Files.exists(replica.settings.dataFolder + "/dbs/" + name))
        #expect(!Files.exists(primary.path(name)))
    }

    @Test
    func `A primary's local database is not replicated and is said to be local`() throws {
        let (primary, replica) = try nodes()
        try primary.sqlite3(
            "zero.db-serving-copy",
            "PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES(1);"
        )
        #expect(try primary.sqlite3("zero.db-serving-copy", "SELECT a FROM t;") == "1")
        try primary.sqlite3("marker.db", "CREATE TABLE IF NOT EXISTS t(a); INSERT INTO t VALUES(1);")
        try expectConverged("marker.db", primary, replica)
        #expect(!Files.exists(replica.path("zero.db-serving-copy")))
        #expect(!Files.exists(primary.path("zero.db-serving-copy-pos")))
        let lines = primary.log.split(separator: "\n")
        #expect(lines.count { $0.contains("zero.db-serving-copy\\\"") && $0.contains("data.local") } == 1)
    }

    @Test
    func `A replica's local folders and files are its own, and all others stay read-only`() throws {
        let (_, replica) = try nodes()
        let folder = replica.path(".zero.db-litestream")
        try Files.makeDirectory(folder)
        try Files.makeDirectory(folder + "/ltx")
        try FileDescriptor.open(folder + "/ltx/a", [.writeOnly, .create]).write([1, 2, 3], at: 0)
        try Files.rename(folder + "/ltx/a", folder + "/b")
        #expect(try Files.read(folder + "/b") == [1, 2, 3])
        try Files.rename(folder + "/b", replica.path("b.tmp"))
        #expect(throws: Errno.accessDenied) {
            _ = try FileDescriptor.open(replica.path("plain.txt"), [.writeOnly, .create])
        }
        #expect(throws: Errno.accessDenied) { try Files.makeDirectory(replica.path("folder")) }
        #expect(throws: Errno.accessDenied) {
            try Files.rename(replica.path("b.tmp"), replica.path("b.db"))
        }
        #expect(throws: Errno.accessDenied) {
            try Files.makeSymbolicLink(replica.path("link"), to: "b.tmp")
        }
        // A file that its program removed while it has it open is still that program's.
        let open = try FileDescriptor.open(replica.path("b.tmp"), .readWrite)
        try Files.unlink(replica.path("b.tmp"))
        try open.write([4], at: 0)
        try open.truncate(to: 1)
        #expect(try open.status().size == 1)
        try Files.removeDirectory(folder + "/ltx")
        try Files.removeDirectory(folder)
    }

    @Test
    func `Local files are there again after a restart`() throws {
        let (_, replica) = try nodes()
        try replica.sqlite3(
            "kept.tmp",
            "PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES('kept');"
        )
        try replica.stop()
        try replica.start()
        #expect(try replica.sqlite3("kept.tmp", "SELECT a FROM t;") == "kept")
    }

    @Test
    func `A database whose name is local on a replica only is not taken there, and others are`() async throws
    {
        let everything: (inout NodeSettings) -> Void = { settings in
            if settings.isPrimary { settings.sections["data"] = ["local: []"] }
        }
        try await withCluster(configure: everything) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            try primary.sqlite3("a.tmp", "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
            try primary.sqlite3("a.db", "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
            #expect(Files.exists(primary.path("a.tmp-pos")))
            try expectConverged("a.db", primary, replica)
            try eventually("the replica says so") { replica.log.contains("data.local says") }
            #expect(!Files.exists(replica.path("a.tmp")))
            try primary.sqlite3("a.tmp", "INSERT INTO t VALUES(2);")
            try primary.sqlite3("a.db", "INSERT INTO t VALUES(2);")
            try expectConverged("a.db", primary, replica)
            #expect(replica.log.split(separator: "\n").count { $0.contains("data.local says") } == 1)
        }
    }

    private func nodes() throws -> (DaemonProcess, DaemonProcess) {
        let cluster = try Cluster.current()
        return (cluster.primary, try cluster.replica)
    }
}
