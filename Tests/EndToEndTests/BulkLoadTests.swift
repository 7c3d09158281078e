import Glibc
import Harness
import LTX
import POSIX
import Testing

/// Loads without a journal, as zero-cache makes its replica.
@Suite(.serialized, .cluster(limit: .seconds(150)), .logsOnFailure)
struct BulkLoadTests {
    private static let settings =
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA foreign_keys=OFF; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
    private static let megabytes = 200

    /// Makes a table with so many megabytes.
    private static func load(_ megabytes: Int) -> String {
        """
        BEGIN EXCLUSIVE; CREATE TABLE t(id INTEGER PRIMARY KEY, b); \
        WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < \(megabytes * 250)) \
        INSERT INTO t SELECT i, randomblob(3900) FROM n; COMMIT;
        """
    }

    @Test
    func `A load is one transaction, when its lock is released, and takes no memory of the daemons`() throws {
        let (primary, replica) = try nodes()
        let name = "load.db"
        let idle = try [primary, replica].map { try memory($0) }
        let loader = try SQLiteProcess(folder: primary.mount, pipes: primary.settings.folder + "/loader")
        try run(loader, "c open $DIR/" + name)
        try run(loader, "c run " + Self.settings + Self.load(Self.megabytes))
        try run(loader, "c run ANALYZE; PRAGMA synchronous=NORMAL")
        // The transaction is committed, and its lock is still held.
        #expect(try Files.status(primary.path(name)).size > Int64(Self.megabytes) * 1_000_000)
        #expect(!Files.exists(replica.path(name)))
        #expect(try Files.read(primary.path(name + "-pos")).starts(with: Array("0000000000000000/".utf8)))
        #expect(try records(primary, name).isEmpty)
        try run(loader, "c close")
        try loader.kill()
        try eventually("the load on the replica", within: .seconds(60)) { Files.exists(replica.path(name)) }
        #expect(try primary.position(name).txid == TXID(1))
        try expectConverged(name, primary, replica, within: .seconds(60))
        for (node, before) in zip([primary, replica], idle) {
            let now = try memory(node)
            #expect(
                now - before < 96 << 20,
                "\(node.settings.name): \(before >> 20) MiB, then \(now >> 20) MiB"
            )
        }
        // What zero-cache does next.
        let rows = Self.megabytes * 250
        try primary.sqlite3(name, "PRAGMA journal_mode=OFF; DELETE FROM t WHERE id % 3 = 0; VACUUM;")
        try primary.sqlite3(
            name,
            "PRAGMA journal_mode=delete; CREATE TABLE u(a); PRAGMA journal_mode=wal; INSERT INTO u VALUES(1);"
        )
        try expectConverged(name, primary, replica, within: .seconds(60))
        #expect(try replica.sqlite3(name, "SELECT count(*) FROM t;") == "\(rows - rows / 3)")
    }

    @Test
    func `A load in a local file is one transaction when it gets the database's name`() throws {
        let (primary, replica) = try nodes()
        let name = "staged.db"
        try primary.sqlite3(name, "PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES('old');")
        try waitForSamePosition(name, primary, replica)
        let before = try primary.position(name).txid.rawValue
        try primary.sqlite3(name + ".tmp", Self.settings + Self.load(60))
        #expect(try replica.sqlite3(name, "SELECT a FROM t;") == "old")
        try Files.rename(primary.path(name + ".tmp"), primary.path(name))
        #expect(try primary.sqlite3(name, "SELECT count(*) FROM t;") == "15000")
        try eventually("the transaction", within: .seconds(30)) {
            try primary.position(name).txid.rawValue > before
        }
        #expect(try primary.position(name).txid.rawValue == before + 1)
        try expectConverged(name, primary, replica, within: .seconds(60))
    }

    @Test
    func `A load in a local file costs no requests, and its name may be given while it is open`() async throws
    {
        let passing: (inout NodeSettings) -> Void = { if $0.isPrimary { $0.passthrough = "on" } }
        try await withCluster(limit: .seconds(100), configure: passing) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            func writes() throws -> Double {
                try primary.metric("litefs_fuse_requests_total{op=\"write\"}") ?? 0
            }
            let before = try writes()
            let loader = try SQLiteProcess(folder: primary.mount, pipes: primary.settings.folder + "/loader")
            try run(loader, "c open $DIR/open.db.tmp")
            try run(loader, "c run " + Self.settings + Self.load(30))
            #expect(try writes() - before < 50)
            try Files.rename(primary.path("open.db.tmp"), primary.path("open.db"))
            // What the loader writes now is seen when it has closed the file; until then nobody else gets it.
            try run(loader, "c run CREATE TABLE late(a); INSERT INTO late VALUES('late')")
            #expect(throws: Errno.busy) {
                _ = try FileDescriptor.open(primary.path("open.db"), .readWrite)
            }
            try run(loader, "c close")
            #expect(try primary.sqlite3("open.db", "SELECT a FROM late;") == "late")
            try expectConverged("open.db", primary, replica, within: .seconds(60))
            #expect(try replica.sqlite3("open.db", "SELECT a FROM late;") == "late")

            // And back: the kernel remembers nothing of what was written past it.
            try Files.rename(primary.path("open.db"), primary.path("back.tmp"))
            try primary.sqlite3("back.tmp", "UPDATE late SET a = 'back';")
            try Files.rename(primary.path("back.tmp"), primary.path("open.db"))
            #expect(
                try primary.sqlite3("open.db", "SELECT a FROM late; PRAGMA integrity_check;") == "back\nok"
            )
            try expectConverged("open.db", primary, replica, within: .seconds(60))
        }
    }

    @Test
    func `A loader that outlives the daemon does not write to the file of the next mount`() async throws {
        let passing: (inout NodeSettings) -> Void = { $0.passthrough = "on" }
        try await withCluster(replicas: 0, limit: .seconds(100), configure: passing) { cluster in
            let primary = cluster.primary
            let loader = try SQLiteProcess(folder: primary.mount, pipes: primary.settings.folder + "/loader")
            try run(loader, "c open $DIR/outlived.tmp")
            try run(loader, "c run " + Self.settings + "CREATE TABLE t(a); INSERT INTO t VALUES(1)")
            try primary.kill()
            try primary.start()
            #expect(primary.log.contains("a program of an earlier mount still writes to it"))
            // Its descriptors are those of the mount that is gone; whatever it manages to write goes to its own file.
            try loader.send("c run INSERT INTO t VALUES(2)")
            _ = try loader.receive()
            #expect(
                try primary.sqlite3("outlived.tmp", "SELECT a FROM t; PRAGMA integrity_check;") == "1\nok"
            )
            try loader.kill()
        }
    }

    @Test
    func `A loader that dies leaves what it wrote, and the next load replaces it`() throws {
        let (primary, replica) = try nodes()
        let name = "dies.db"
        let loader = try SQLiteProcess(folder: primary.mount, pipes: primary.settings.folder + "/dying")
        try run(loader, "c open $DIR/" + name)
        try run(loader, "c run " + Self.settings + Self.load(20).replacing("COMMIT;", with: ""))
        try loader.kill()
        for suffix in ["", "-journal", "-wal", "-wal2", "-shm"] {
            try Files.unlink(primary.path(name + suffix), ifExists: true)
        }
        try primary.sqlite3(name, Self.settings + Self.load(20))
        try eventually("the load on the replica", within: .seconds(30)) {
            (try? replica.sqlite3(name, "SELECT count(*) FROM t;")) == "5000"
        }
        try expectConverged(name, primary, replica, within: .seconds(60))
    }

    @Test
    func `Other databases and look-ups go on while a large load is compared`() throws {
        let (primary, replica) = try nodes()
        let name = "slow.db"
        let beside = try primary.open("beside.db")
        try beside.run("PRAGMA journal_mode=wal; CREATE TABLE t(a)")
        try primary.sqlite3(name, Self.settings + Self.load(Self.megabytes))
        let beginning = MonotonicTime.now
        var longest = Duration.zero
        while try records(primary, name).isEmpty {
            let start = MonotonicTime.now
            _ = try Files.status(primary.path(name))
            _ = Files.exists(primary.path(name + "-journal"))
            try beside.run("INSERT INTO t VALUES(1)")
            longest = max(longest, MonotonicTime.now - start)
        }
        let whole = MonotonicTime.now - beginning
        beside.close()
        #expect(longest < max(.milliseconds(500), whole / 2), "\(longest) of \(whole)")
        try expectConverged(name, primary, replica, within: .seconds(60))
    }

    private func run(_ process: SQLiteProcess, _ request: String) throws {
        try process.send(request)
        let answer = try process.receive(within: .seconds(120))
        try check(answer.code == 0, "\(request.prefix(60)): \(answer)")
    }

    private func records(_ node: DaemonProcess, _ name: String) throws -> [String] {
        try Files.list(node.settings.dataFolder + "/dbs/\(name)/ltx").map(\.name)
            .filter { $0.hasSuffix(".ltx") }
    }

    private func memory(_ node: DaemonProcess) throws -> Int {
        try ProcessFacts(of: try #require(node.current?.pid)).memory
    }

    private func nodes() throws -> (DaemonProcess, DaemonProcess) {
        let cluster = try Cluster.current()
        return (cluster.primary, try cluster.replica)
    }
}
