import CSQLite
import Glibc
import Harness
import LTX
import POSIX
import Testing

@Suite(.serialized, .cluster(replicas: 2), .logsOnFailure)
struct ReplicaTests {
    @Test(arguments: ["wal", "delete"])
    func `Readers in other processes see every state of thousands of commits without an error`(
        mode: String
    ) throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try cluster.replica)
        let name = "busy-\(mode).db"
        let workload = try Binary.path("workload")
        try cluster.run([workload, "write", primary.path(name), mode, "1", "plain", "5"])
        try waitForSamePosition(name, primary, replica)
        let stop = cluster.folder.path + "/stop-" + mode
        let readers = try (1...2)
            .map { index in
                try Program(
                    [workload, "read", replica.path(name), stop],
                    output: cluster.folder.path + "/reader-\(mode)-\(index)"
                )
            }
        let commits = mode == "wal" ? 3000 : 400
        try cluster.run([workload, "write", primary.path(name), mode, "2", "mixed", "\(commits)"])
        try waitForSamePosition(name, primary, replica)
        try Files.replace(stop, with: [])
        for reader in readers {
            _ = try reader.waitForExit()
            let last = reader.output.split(separator: "\n").last ?? ""
            #expect(last.contains(" errors 0 "), "\(reader.output.prefix(600))")
            #expect(!last.hasPrefix("reads 0 "))
        }
        try expectConverged(name, primary, replica)
    }

    @Test
    func `An open read transaction keeps its snapshot while the position moves on`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try cluster.replica)
        let name = "held.db"
        let workload = try Binary.path("workload")
        try cluster.run([workload, "write", primary.path(name), "wal", "1", "plain", "10"])
        try waitForSamePosition(name, primary, replica)
        let stop = cluster.folder.path + "/stop-hold"
        let holder = try Program([workload, "hold", replica.path(name), stop], output: stop + ".out")
        try eventually("the reader has its snapshot") { holder.output.contains("holding 10") }
        try cluster.run([workload, "write", primary.path(name), "wal", "2", "mixed", "500"])
        try waitForSamePosition(name, primary, replica)
        #expect(try replica.sqlite3(name, "SELECT max(n) FROM ledger;") == "510")
        try Files.replace(stop, with: [])
        #expect(try holder.waitForExit() == .code(0))
        #expect(holder.output.contains("held 10 10 510"), "\(holder.output)")
        try expectConverged(name, primary, replica)
    }

    @Test(arguments: ["wal", "delete"])
    func `Writing says that the database is read-only`(mode: String) throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try cluster.replica)
        let name = "refused-\(mode).db"
        try primary.sqlite3(name, "PRAGMA journal_mode=\(mode); CREATE TABLE t(a); INSERT INTO t VALUES(1);")
        try waitForSamePosition(name, primary, replica)
        let position = try replica.position(name)
        let statements = [
            "BEGIN IMMEDIATE", "INSERT INTO t VALUES(2)", "CREATE TABLE u(a)", "VACUUM",
            "PRAGMA journal_mode=delete",
        ]
        for statement in statements {
            let connection = try replica.open(name)
            #expect(try connection.value("SELECT a FROM t") == "1")
            let refusal = connection.refusal(statement)
            if statement.hasPrefix("PRAGMA") {
                // SQLite may answer with the mode as it stays.
                #expect(try connection.value("PRAGMA journal_mode") == "wal")
            } else {
                #expect(refusal?.message == "attempt to write a readonly database", "\(statement)")
                #expect((refusal?.code ?? 0) & 0xFF == SQLITE_READONLY, "\(statement)")
            }
            connection.refusal("ROLLBACK")
            #expect(try connection.value("SELECT a FROM t") == "1")
            connection.close()
        }
        #expect(try replica.position(name) == position)
        try expectConverged(name, primary, replica)
    }

    @Test
    func `Creating, removing, renaming and truncating is refused`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try cluster.replica)
        try primary.sqlite3("kept.db", "CREATE TABLE t(a);")
        try waitForSamePosition("kept.db", primary, replica)
        let path = replica.path("kept.db")
        expectRefused("create") {
            _ = try FileDescriptor.open(replica.path("new.db"), [.writeOnly, .create])
        }
        expectRefused("create a journal") {
            _ = try FileDescriptor.open(path + "-journal", [.readWrite, .create])
        }
        expectRefused("unlink") { try Files.unlink(path) }
        expectRefused("unlink the log") { try Files.unlink(path + "-wal") }
        expectRefused("rename") { try Files.rename(path, replica.path("other.db")) }
        expectRefused("mkdir") { try Files.makeDirectory(replica.path("folder")) }
        expectRefused("truncate") { try check(truncate(path, 0)) }
        expectRefused("write") { try FileDescriptor.open(path, .readWrite).write([1], at: 0) }
        expectRefused("open the log for writing") { _ = try FileDescriptor.open(path + "-wal", .readWrite) }
        try expectConverged("kept.db", primary, replica)
    }

    @Test(arguments: [SIGTERM, SIGKILL])
    func `A restarted replica catches up from LTX files`(signal: Int32) throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try cluster.replica)
        let name = "catch-up-\(signal).db"
        try primary.sqlite3(
            name,
            "CREATE TABLE t(id INTEGER PRIMARY KEY, b);" + filling(rows: 100, bytes: 1000)
        )
        try waitForSamePosition(name, primary, replica)
        if signal == SIGKILL { try replica.kill() } else { try replica.stop() }
        for _ in 0..<5 { try primary.sqlite3(name, filling(rows: 10, bytes: 1000)) }
        let snapshots = count("writing snapshot", of: name, in: primary.log)
        try replica.start()
        try expectConverged(name, primary, replica)
        #expect(count("writing snapshot", of: name, in: primary.log) == snapshots, "no snapshot was sent")
    }

    @Test
    func `A replica without data gets a snapshot while the primary is being written`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try #require(cluster.replicas.last))
        let name = "snapshot.db"
        let workload = try Binary.path("workload")
        try primary.sqlite3(name, "PRAGMA journal_mode=wal; CREATE TABLE t(id INTEGER PRIMARY KEY, b);")
        try primary.sqlite3(name, filling(rows: 4000, bytes: 3000))
        try replica.stop()
        try Files.removeTree(replica.settings.dataFolder)
        let writer = try Program(
            [workload, "write", primary.path(name), "wal", "3", "plain", "1500"],
            output: cluster.folder.path + "/snapshot-writer"
        )
        try replica.start()
        #expect(try writer.waitForExit(within: .seconds(40)) == .code(0), "\(writer.output.suffix(300))")
        try expectConverged(name, primary, replica)
    }

    @Test
    func `Both replicas follow`() throws {
        let cluster = try Cluster.current()
        try cluster.primary.sqlite3("both.db", "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
        for replica in cluster.replicas { try expectConverged("both.db", cluster.primary, replica) }
    }

    private func count(_ word: String, of name: String, in log: String) -> Int {
        log.split(separator: "\n").count { $0.contains(word) && $0.contains(name) }
    }

    private func expectRefused(_ what: String, _ body: () throws -> Void) {
        do {
            try body()
            Issue.record("\(what) must be refused")
        } catch {
            let errno = error as? Errno
            #expect(errno == .accessDenied || errno == .readOnlyFileSystem, "\(what): \(error)")
        }
    }

    private func check(_ result: Int32) throws {
        if result != 0 { throw Errno.last }
    }
}
