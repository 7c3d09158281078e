import CSQLite
import Glibc
import Harness
import LTX
import POSIX
import Testing

/// The daemon dies, or is replaced, and the programs that use its mount notice nothing but a delay.
@Suite(.serialized, .logsOnFailure)
struct TakeoverTests {
    private static let name = "a.db"

    /// What goes on in all tests under load: writers and readers, in processes of their own.
    private struct Load {
        let writers: [Program]
        let readers: [Program]
        let stopPath: String

        init(_ cluster: Cluster, mode: String) throws {
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let folder = cluster.folder.path
            let stopPath = folder + "/stop"
            self.stopPath = stopPath
            let workload = try Binary.path("workload")
            let setUp = try Program(
                [workload, "write", primary.path(name), mode, "1", "plain", "1"],
                output: folder + "/set-up"
            )
            try check(try setUp.waitForExit() == .code(0), setUp.output)
            try waitForSamePosition(name, primary, replica)
            writers = try (0..<3)
                .map { number in
                    try Program(
                        [
                            workload, "append", primary.path(name), mode, "\(Seed.value &+ UInt64(number))",
                            "mixed",
                            "100000000", "1",
                        ],
                        output: folder + "/writer-\(number)"
                    )
                }
            // Whoever reads beside a rollback journal's writers finds the database locked, as everywhere.
            let nodes = mode == "wal" ? [primary, replica, replica] : [replica, replica]
            readers = try nodes.enumerated()
                .map { number, node in
                    try Program(
                        [workload, "read", node.path(name), stopPath],
                        output: folder + "/reader-\(number)"
                    )
                }
        }

        /// Commits that were acknowledged so far.
        var commits: Int { writers.reduce(0) { $0 + $1.output.utf8.count { $0 == 10 } } }

        /// Ends it, and expects that no statement failed and that all that was acknowledged is there.
        ///
        /// Returns how long the slowest reading took, in milliseconds.
        func end(_ cluster: Cluster) throws -> Int {
            for writer in writers {
                #expect(writer.exit == nil, "\(writer.output.suffix(500))")
                try writer.kill()
                #expect(!writer.output.contains("failed"), "\(writer.output.suffix(500))")
            }
            _ = try FileDescriptor.open(stopPath, [.create, .writeOnly])
            var slowest = 0
            for (number, reader) in readers.enumerated() {
                #expect(try reader.waitForExit(within: .seconds(60)) == .code(0))
                #expect(
                    reader.output.contains(" errors 0 "),
                    "reader \(number): \(reader.output.suffix(1000))"
                )
                let words = reader.output.split(whereSeparator: \.isWhitespace)
                slowest = max(slowest, words.last.flatMap { Int($0) } ?? .max)
            }
            let acknowledged = Set(
                writers.flatMap { $0.output.split(separator: "\n").compactMap { Int($0) } }
            )
            let state = try cluster.primary.sqlite3(
                name,
                "PRAGMA integrity_check; SELECT count(*) = max(n), max(n) FROM ledger;"
            )
            #expect(state.hasPrefix("ok\n1|"), "\(state)")
            let highest = state.split(separator: "|").last.flatMap { Int($0) } ?? 0
            #expect(acknowledged.allSatisfy { $0 <= highest })
            try expectConverged(name, cluster.primary, try cluster.replica, within: .seconds(30))
            return slowest
        }
    }

    /// What the supervisor said about the times in which nobody answered, in milliseconds.
    private func gaps(_ node: DaemonProcess) -> [Int] {
        node.log.split(separator: "\n")
            .compactMap { line in
                guard let start = line.firstRange(of: "requests waited for ") else { return nil }
                return Int(line[start.upperBound...].prefix { $0.isNumber })
            }
            .sorted()
    }

    private func killDaemon(_ node: DaemonProcess) throws -> Int32 {
        let pid = try required(node.daemonPID, "\(node.settings.name) has a daemon")
        Glibc.kill(pid, SIGKILL)
        return pid
    }

    /// Waits until another daemon than this one answers.
    private func waitForAnother(_ node: DaemonProcess, than pid: Int32) throws {
        try eventually("\(node.settings.name) has another daemon; log:\n\(node.log.suffix(2000))") {
            guard let present = node.daemonPID, present != pid else { return false }
            return node.log.contains("the new daemon (process \(present)) answers")
        }
    }

    @Test(arguments: ["wal", "delete"])
    func `Daemons that are killed again and again are missed by no reader and no writer`(
        mode: String
    ) async throws {
        var random = Seed.sequence(for: "takeover \(mode)")
        try await withCluster(limit: .seconds(150)) { cluster in
            let load = try Load(cluster, mode: mode)
            let end = MonotonicTime.now + .seconds(20)
            var kills = 0
            while .now < end {
                pause(.milliseconds(300 + Int(random.next() % 100)))
                for node in cluster.nodes where kills % 2 == (node === cluster.primary ? 0 : 1) {
                    // It may be starting.
                    if let pid = node.daemonPID { Glibc.kill(pid, SIGKILL) }
                }
                kills += 1
            }
            let commits = load.commits
            try eventually("writers go on") { load.commits > commits }
            let slowest = try load.end(cluster)
            for node in cluster.nodes {
                let gaps = gaps(node)
                print(
                    "\(mode), \(node.settings.name): \(gaps.count) takeovers, median \(gaps[gaps.count / 2]) ms, longest "
                        + "\(gaps[gaps.count - 1]) ms; slowest reading \(slowest) ms, \(commits) commits"
                )
                #expect(gaps.count > 10)
                #expect(!node.log.contains("cannot be found again"))
            }
            #expect(slowest < 10_000)
        }
    }

    @Test(arguments: ["wal", "delete"])
    func `An upgrade under load is missed by nobody`(mode: String) async throws {
        try await withCluster(limit: .seconds(120)) { cluster in
            let load = try Load(cluster, mode: mode)
            let copy = cluster.folder.path + "/litefs"
            let binary = try Binary.path("litefs")
            let copied = try Outcome.of(["cp", binary, copy], in: cluster.folder.path)
            #expect(copied.exit == .code(0))
            for round in 0..<6 {
                for node in cluster.nodes {
                    let before = node.daemonPID
                    let commits = load.commits
                    let arguments = round == 3 ? ["-binary", copy] : []
                    let outcome = try upgrade(node, arguments)
                    #expect(outcome.exit == .code(0), "\(outcome)\n\(node.log.suffix(3000))")
                    #expect(outcome.output.hasPrefix("the new daemon serves; requests waited for at most "))
                    let after = try required(node.daemonPID, "a daemon")
                    #expect(after != before)
                    if round == 3 { #expect(try Files.realPath("/proc/\(after)/exe") == copy) }
                    try eventually("writers go on") { load.commits > commits + 3 }
                }
            }
            let slowest = try load.end(cluster)
            for node in cluster.nodes {
                print("\(mode), \(node.settings.name): upgrades \(gaps(node)) ms; slowest \(slowest) ms")
                #expect(!node.log.contains("ended: "), "no daemon died")
            }
            #expect(slowest < 10_000)
        }
    }

    private func upgrade(_ node: DaemonProcess, _ arguments: [String]) throws -> Outcome {
        let config = node.settings.folder + "/litefs.yml"
        return try Outcome.of(
            [try Binary.path("litefs"), "upgrade", "-config", config] + arguments,
            in: node.settings.folder
        )
    }

    @Test func `An upgrade to a program that is no daemon leaves the one that runs`() async throws {
        try await withCluster(replicas: 0) { cluster in
            let primary = cluster.primary
            let pid = try required(primary.daemonPID, "a daemon")
            let connection = try primary.open(Self.name)
            try connection.run("CREATE TABLE t(a); INSERT INTO t VALUES(1)")
            for binary in ["/bin/false", "/bin/sleep", "/etc/passwd"] {
                let outcome = try upgrade(primary, ["-binary", binary])
                #expect(outcome.exit == .code(1))
                #expect(outcome.errors.contains("the daemon was not replaced"), "\(outcome.errors)")
                #expect(primary.daemonPID == pid)
                #expect(try connection.value("SELECT count(*) FROM t") == "1")
            }
            // Settings that say another thing.
            let config = primary.settings.folder + "/litefs.yml"
            let text = Harness.text(of: config)
            try Files.replace(
                config,
                with: Array(text.replacing("/mnt\"", with: "/elsewhere\"").utf8)
            )
            let outcome = try upgrade(primary, [])
            #expect(outcome.exit == .code(1) && outcome.errors.contains("elsewhere"), "\(outcome)")
            #expect(primary.daemonPID == pid)
            try Files.replace(config, with: Array(text.utf8))
            #expect(try upgrade(primary, []).exit == .code(0))
            try connection.run("INSERT INTO t VALUES(2)")
        }
    }

    /// Where a request dies with the daemon: before, in the middle of, and after what it does.
    static let points = [
        "local.create", "local.write", "local.unlink", "local.rename", "local.truncate", "local.sync",
        "file.create",
        "journal.write", "journal.unlink", "journal.truncate", "journal.sync", "database.write",
        "database.sync",
        "database.truncate", "wal.write", "wal.header.write", "wal.sync", "wal.truncate", "wal.unlink",
        "shm.unlink",
        "commit.captured", "commit.published", "ltx.create", "ltx.write", "ltx.rename", "names.adopt.rename",
        "names.drop.unlink", "names.drop.rename", "names.release.rename", "names.folder.create", "names.sync",
    ]

    @Test(arguments: points)
    func `What was under way when the daemon died is carried out once`(point: String) async throws {
        try await withCluster(replicas: 1, isStarted: false) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            try primary.start(environment: [
                "LITEFS_FAULTS": "\(point)=kill@1", "LITEFS_SUPERVISOR": "on",
            ])
            try replica.start()
            try expectAllOperations(primary)
            #expect(
                primary.log.contains("its mount stays"),
                "\(point) was passed; \(primary.log.suffix(1500))"
            )
            for name in ["delete.db", "truncate.db", "persist.db", "wal.db", "renamed.db"] {
                try expectConverged(name, primary, replica)
            }
            #expect(try primary.sqlite3("renamed.db", "SELECT sum(a) FROM t;") == "3")
            try eventually("a dropped database is gone from the replica") {
                !Files.exists(replica.path("dropped.db"))
            }
        }
    }

    /// Files, folders and databases in all journal modes, where each call must do what it does without a daemon's death.
    private func expectAllOperations(_ node: DaemonProcess) throws {
        let file = try FileDescriptor.open(node.path("file"), [.readWrite, .create, .exclusive])
        try file.write(Array("content".utf8), at: 0)
        try file.truncate(to: 4)
        try file.synchronize()
        #expect(try Files.read(node.path("file")) == Array("cont".utf8))
        try Files.makeDirectory(node.path("folder"), mode: 0o755)
        try Files.rename(node.path("file"), node.path("folder/moved"))
        try Files.makeSymbolicLink(node.path("link"), to: "folder/moved")
        try file.write(Array("x".utf8), at: 0)
        #expect(try Files.read(node.path("link")) == Array("xont".utf8))
        try Files.unlink(node.path("folder/moved"))
        #expect(try file.status().size == 4)
        try Files.unlink(node.path("link"))
        try Files.removeDirectory(node.path("folder"))
        try Files.synchronizeDirectory(node.mount)
        #expect(try !Files.list(node.mount).contains { ["file", "folder", "link"].contains($0.name) })

        for mode in ["delete", "truncate", "persist", "wal"] {
            let connection = try node.open(mode + ".db")
            #expect(try connection.value("PRAGMA journal_mode=\(mode)") == mode)
            try connection.run("CREATE TABLE t(a, b); CREATE INDEX i ON t(b)")
            for number in 1...5 {
                try connection.run("INSERT INTO t VALUES(\(number), randomblob(5000))")
            }
            try connection.run("BEGIN; INSERT INTO t VALUES(100, randomblob(50000)); ROLLBACK")
            try connection.run("DELETE FROM t WHERE a = 3; VACUUM")
            if mode == "wal" {
                try connection.run("PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO t VALUES(6, 'x')")
                // The log begins anew.
                try connection.run("PRAGMA wal_checkpoint(RESTART); INSERT INTO t VALUES(7, 'x')")
            }
            #expect(try connection.value("PRAGMA integrity_check") == "ok")
            connection.close()
            #expect(
                try node.sqlite3(mode + ".db", "SELECT sum(a) FROM t;") == (mode == "wal" ? "25" : "12")
            )
        }
        try node.sqlite3(
            "dropped.db",
            "PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES(1);"
        )
        let user = try node.open("dropped.db")
        try user.run("INSERT INTO t VALUES(2)")
        try Files.unlink(node.path("dropped.db"))
        #expect(try user.value("SELECT count(*) FROM t") == "2")
        user.close()
        try node.sqlite3("before.db", "CREATE TABLE t(a); INSERT INTO t VALUES(1), (2);")
        try Files.rename(node.path("before.db"), node.path("renamed.db"))
        #expect(!Files.exists(node.path("before.db")) && !Files.exists(node.path("dropped.db")))
    }

    @Test func `A file without a name outlives the daemon for whoever has it open`() async throws {
        try await withCluster { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let supervisor = try required(primary.current?.pid, "a supervisor")
            let before = try ProcessFacts(of: supervisor).descriptors
            let file = try FileDescriptor.open(primary.path("temporary"), [.readWrite, .create])
            try file.write(Array("before".utf8), at: 0)
            try Files.unlink(primary.path("temporary"))
            // A name that comes back is another file.
            let other = try FileDescriptor.open(primary.path("temporary"), [.readWrite, .create])
            let replaced = try FileDescriptor.open(primary.path("replaced"), [.readWrite, .create])
            try replaced.write(Array("replaced".utf8), at: 0)
            try Files.rename(primary.path("temporary"), primary.path("replaced"))
            try primary.sqlite3("dropped.db", "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
            try waitForSamePosition("dropped.db", primary, replica)
            let reader = try replica.open("dropped.db", flags: SQLITE_OPEN_READWRITE)
            try reader.run("BEGIN")
            #expect(try reader.value("SELECT a FROM t") == "1")
            try Files.unlink(primary.path("dropped.db"))
            try eventually("it is gone") { !Files.exists(replica.path("dropped.db")) }
            for round in 1...3 {
                for node in cluster.nodes { try waitForAnother(node, than: try killDaemon(node)) }
                try file.write(Array("after\(round)".utf8), at: 6)
                try other.write(Array("other".utf8), at: 0)
                #expect(try content(of: file) == "beforeafter\(round)")
                #expect(try content(of: replaced) == "replaced")
                #expect(try Files.read(primary.path("replaced")) == Array("other".utf8))
                #expect(try reader.value("SELECT a FROM t") == "1")
            }
            try reader.run("COMMIT")
            reader.close()
            try file.close()
            try other.close()
            try replaced.close()
            // Its kept file is let go; the socket for upgrades came with the first daemon.
            try eventually("the supervisor lets go of them") {
                try ProcessFacts(of: supervisor).descriptors <= before
            }
        }
    }

    private func content(of file: borrowing FileDescriptor) throws -> String {
        let buffer = Buffer(count: 100)
        let count = try file.read(into: buffer.bytes, at: 0)
        return String(decoding: buffer.bytes[..<count], as: UTF8.self)
    }

    @Test func `Locks and transactions of programs outlive the daemon`() async throws {
        try await withCluster(replicas: 0) { cluster in
            let primary = cluster.primary
            for mode in ["delete", "wal"] {
                let name = mode + ".db"
                let writer = try primary.open(name)
                let other = try SQLiteProcess(folder: primary.mount, pipes: cluster.folder.path + "/" + mode)
                try writer.run("PRAGMA journal_mode=\(mode); CREATE TABLE t(a); PRAGMA cache_size=5")
                try writer.run("BEGIN IMMEDIATE; INSERT INTO t VALUES(1)")
                // Pages are in the file or the log before the end.
                try writer.run(
                    "INSERT INTO t SELECT randomblob(900) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                        + "WHERE i < 200) SELECT i FROM n)"
                )
                try waitForAnother(primary, than: try killDaemon(primary))
                try other.send("c open $DIR/" + name)
                _ = try other.receive()
                try other.send("c run BEGIN IMMEDIATE")
                #expect(try other.receive().code & 0xFF == SQLITE_BUSY)
                try writer.run("COMMIT")
                try other.send("c run INSERT INTO t VALUES(2)")
                #expect(try other.receive().code == 0)
                #expect(try writer.value("SELECT count(*) FROM t") == "202")
                try other.kill()
                writer.close()
                #expect(
                    !primary.log.contains("emitting all of it"),
                    "the state before is known from the journal"
                )
            }
        }
    }

    /// The kernel keeps the daemon from the folder's names for as long as a program makes a file there.
    @Test func `A program that makes files does not keep the next daemon of a replica from its locks`()
        async throws
    {
        try await withCluster { cluster in
            let replica = try cluster.replica
            try cluster.primary.sqlite3(Self.name, "PRAGMA journal_mode=wal; CREATE TABLE t(a);")
            try waitForSamePosition(Self.name, cluster.primary, replica)
            let path = replica.path("churn")
            let isStopping = Guarded(false)
            let failures = Guarded<[Int32]>([])
            let makers = (0..<3)
                .map { number in
                    Thread("maker") {
                        while !isStopping.withLock({ $0.pointee }) {
                            let file = Glibc.open("\(path)\(number).tmp", O_CREAT | O_RDWR, 0o644)
                            if file < 0 {
                                let reason = errno
                                if reason != EINTR { failures.withLock { $0.pointee.append(reason) } }
                                continue
                            }
                            Glibc.close(file)
                            Glibc.unlink("\(path)\(number).tmp")
                        }
                    }
                }
            defer {
                isStopping.withLock { $0.pointee = true }
                for maker in makers { maker.join() }
            }
            for _ in 0..<6 {
                try waitForAnother(replica, than: try killDaemon(replica))
                try eventually("the next daemon answers", within: .seconds(10)) {
                    (try? replica.get("/health/live").status) == 200
                }
            }
            #expect(failures.withLock { $0.pointee } == [])
            try cluster.primary.sqlite3(Self.name, "CREATE TABLE after(a);")
            try waitForSamePosition(Self.name, cluster.primary, replica)
        }
    }

    @Test func `Commands under exec live on, and a signal ends everything`() async throws {
        let set: (inout NodeSettings) -> Void = { $0.more = "exec:\n  - cmd: \"sleep 1000\"\n" }
        try await withCluster(replicas: 0, configure: set) { cluster in
            let primary = cluster.primary
            let supervisor = try required(primary.current?.pid, "a supervisor")
            func commands() -> [Int32] {
                let folders = (try? Files.list("/proc/\(supervisor)/task")) ?? []
                return
                    folders.flatMap { folder in
                        text(of: "/proc/\(supervisor)/task/\(folder.name)/children").split(separator: " ")
                            .compactMap { Int32($0) }
                    }
                    .filter { text(of: "/proc/\($0)/comm") == "sleep\n" }
            }
            try eventually("the command runs") { commands().count == 1 }
            let before = commands()
            for _ in 1...3 { try waitForAnother(primary, than: try killDaemon(primary)) }
            #expect(commands() == before)
            primary.current?.send(SIGTERM)
            // A command that a signal ended does not change the code.
            #expect(try primary.waitForExit() == .code(0))
            #expect(!Files.exists("/proc/\(before[0])/exe") && !primary.isMounted)
        }
    }

    @Test func `A daemon that keeps dying is started with growing pauses, and each time it is said`()
        async throws
    {
        try await withCluster(replicas: 0) { cluster in
            let primary = cluster.primary
            let connection = try primary.open(Self.name)
            try connection.run("CREATE TABLE t(a)")
            let begun = MonotonicTime.now
            var kills = 0
            while MonotonicTime.now - begun < .seconds(4) {
                if let pid = primary.daemonPID {
                    Glibc.kill(pid, SIGKILL)
                    kills += 1
                }
                pause(.milliseconds(5))
            }
            #expect(primary.log.contains("because the last 3 did not live long"))
            #expect(kills < 200, "pauses grow")
            try connection.run("INSERT INTO t VALUES(1)")
            #expect(try connection.value("SELECT count(*) FROM t") == "1")
        }
    }

    @Test func `Where the kernel cannot send requests again those at hand get an error`() async throws {
        try await withCluster(replicas: 0, isStarted: false) { cluster in
            let primary = cluster.primary
            try primary.start(environment: [
                "LITEFS_RESEND": "off", "LITEFS_FAULTS": "local.sync=kill@1", "LITEFS_SUPERVISOR": "on",
            ])
            let file = try FileDescriptor.open(primary.path("file"), [.readWrite, .create])
            try file.write([1], at: 0)
            #expect(throws: Errno.io) { try file.synchronize() }
            let connection = try primary.open(Self.name)
            try connection.run("PRAGMA journal_mode=wal; CREATE TABLE t(a)")
            #expect(primary.log.contains("the daemon before had 1 requests at hand"))
            try file.synchronize()
            try connection.run("INSERT INTO t VALUES(1)")
            #expect(try connection.value("SELECT count(*) FROM t") == "1")
        }
    }

    @Test func `A signal that comes while there is no daemon takes the mount away`() async throws {
        try await withCluster(replicas: 0) { cluster in
            let primary = cluster.primary
            // Until the pause is long.
            try eventually("daemons are killed", within: .seconds(20)) {
                if let pid = primary.daemonPID { Glibc.kill(pid, SIGKILL) }
                return primary.log.contains("because the last 6 did not live long")
            }
            primary.current?.send(SIGTERM)
            #expect(try primary.waitForExit() == .code(0))
            #expect(!primary.isMounted)
            try primary.start()
        }
    }

    @Test func `When the supervisor is killed the daemon and the mount go with it`() async throws {
        try await withCluster(replicas: 0) { cluster in
            let primary = cluster.primary
            try primary.sqlite3(Self.name, "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
            let daemon = try required(primary.daemonPID, "a daemon")
            try primary.kill()
            try eventually("the daemon is gone") { !Files.exists("/proc/\(daemon)/exe") }
            #expect(throws: Errno.notConnected) { try Files.list(primary.mount) }
            try primary.start()
            #expect(try primary.sqlite3(Self.name, "SELECT count(*) FROM t;") == "1")
        }
    }

    @Test func `One process alone is a choice`() async throws {
        try await withCluster(replicas: 0, isStarted: false) { cluster in
            let primary = cluster.primary
            try primary.start(environment: ["LITEFS_SUPERVISOR": "off"])
            #expect(primary.daemonPID == primary.current?.pid)
            try primary.sqlite3(Self.name, "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
            let outcome = try upgrade(primary, [])
            #expect(outcome.exit == .code(1) && outcome.errors.contains("LITEFS_SUPERVISOR"), "\(outcome)")
        }
    }
}
