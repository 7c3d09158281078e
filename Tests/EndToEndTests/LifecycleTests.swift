import CSQLite
import Glibc
import Harness
import POSIX
import Testing

/// Starts and ends of the process.
@Suite(.serialized, .logsOnFailure)
struct LifecycleTests {
    @Test
    func `SIGTERM ends a replica that waits for its primary, and takes the mount away`() async throws {
        try await withCluster(isStarted: false) { cluster in
            let replica = try cluster.replica
            try replica.start(until: .mounted)
            try replica.stop(within: .seconds(3))
        }
    }

    @Test
    func `SIGTERM at any moment of the start ends the process without a mount`() async throws {
        try await withCluster(replicas: 0, isStarted: false) { cluster in
            let primary = cluster.primary
            try primary.start()
            try primary.sqlite3(
                "phases.db",
                "CREATE TABLE t(id INTEGER PRIMARY KEY, b);" + filling(rows: 100, bytes: 3000)
            )
            try primary.stop()
            for step in 0..<16 {
                try primary.start(until: .running)
                let end = MonotonicTime.now + .milliseconds(step * 5)
                try eventually("\(step * 5) ms") { .now >= end }
                let program = try #require(primary.current)
                program.send(SIGTERM)
                let exit = try program.waitForExit(within: .seconds(4))
                // Before the program's own first line only the system could act on the signal.
                let isUnborn = exit == .signal(SIGTERM) && primary.runLog.isEmpty
                #expect(exit == .code(0) || isUnborn, "step \(step): \(exit)")
                #expect(!primary.isMounted, "step \(step)")
            }
            try primary.start()
            #expect(try primary.sqlite3("phases.db", "SELECT count(*) FROM t;") == "100")
        }
    }

    @Test(arguments: [SIGINT, SIGTERM])
    func `A stop signal ends the process with exit code 0 and the expected lines`(signal: Int32) async throws
    {
        try await withCluster(replicas: 0) { cluster in
            let program = try #require(cluster.primary.current)
            // The node serves a moment before it says so; a signal in between rightly leaves lines out.
            try eventually("the start is complete") {
                cluster.primary.log.contains("waiting for signal or subprocess to exit")
            }
            program.send(signal)
            #expect(try program.waitForExit(within: .seconds(4)) == .code(0))
            #expect(!cluster.primary.isMounted)
            let log = cluster.primary.log
            for line in [
                "LiteFS mounted to: \(cluster.primary.mount)", "http server listening on:",
                "connected to cluster, ready", "waiting for signal or subprocess to exit",
                "signal received, litefs shutting down", "litefs shut down complete",
            ] {
                #expect(log.contains(line), "\(line)")
            }
        }
    }

    @Test
    func `A dead mount of a killed daemon is replaced at the start`() async throws {
        try await withCluster(replicas: 0) { cluster in
            let primary = cluster.primary
            try primary.sqlite3("kept.db", "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
            for _ in 0..<3 {
                try primary.kill()
                #expect(primary.isMounted)
                #expect(throws: Errno.notConnected) { _ = try Files.fileSystem(primary.mount) }
                try primary.start()
                #expect(TestFolder.mounts(below: primary.mount).count == 1)
                #expect(try primary.sqlite3("kept.db", "SELECT a FROM t;") == "1")
            }
        }
    }

    @Test
    func `A mount in use is detached, and the process ends all the same`() async throws {
        try await withCluster(replicas: 0) { cluster in
            let primary = cluster.primary
            try primary.sqlite3("busy.db", "CREATE TABLE t(a);")
            let user = try Program(
                ["/bin/sh", "-c", "cd '\(primary.mount)' && exec 3<busy.db && echo ready && exec sleep 60"],
                output: cluster.folder.path + "/user"
            )
            defer { try? user.kill() }
            try eventually("the mount is in use") { user.output.contains("ready") }
            try primary.stop(within: .seconds(5))
            try primary.start()
            #expect(try primary.sqlite3("busy.db", "SELECT count(*) FROM t;") == "0")
        }
    }

    @Test
    func `A second node cannot take the port or the mount of the first`() async throws {
        try await withCluster(replicas: 0) { cluster in
            let first = cluster.primary.settings
            var samePort = NodeSettings(
                name: "second",
                isPrimary: true,
                in: cluster.folder.path,
                port: first.port,
                primaryPort: first.port
            )
            let byPort = try outcome(samePort)
            #expect(byPort.exit == .code(1))
            #expect(
                byPort.errors.contains("\(first.port)") && byPort.errors.contains("ERROR:"),
                "\(byPort.errors)"
            )
            samePort.port = try freePort()
            samePort.mountFolder = first.mountFolder
            let byMount = try outcome(samePort)
            #expect(byMount.exit == .code(1))
            #expect(byMount.errors.contains(first.mountFolder), "\(byMount.errors)")
            samePort.mountFolder = samePort.folder + "/mnt"
            samePort.dataFolder = first.dataFolder
            let byData = try outcome(samePort)
            #expect(byData.exit == .code(1), "two daemons on one data directory: \(byData.errors)")
            try cluster.primary.sqlite3("fine.db", "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
        }
    }

    @Test
    func `The data directory survives a restart, also after kill -9, with positions unchanged`() async throws
    {
        try await withCluster { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            for mode in ["wal", "delete", "persist"] {
                let name = "restart-\(mode).db"
                try primary.sqlite3(
                    name,
                    "PRAGMA journal_mode=\(mode); CREATE TABLE t(id INTEGER PRIMARY KEY, b);"
                )
                try primary.sqlite3(name, filling(rows: 50, bytes: 2000))
                let before = try primary.position(name)
                try primary.stop()
                try primary.start()
                #expect(try primary.position(name) == before, "\(mode), clean")
                try primary.kill()
                try primary.start()
                #expect(try primary.position(name) == before, "\(mode), killed")
                try primary.sqlite3(name, "INSERT INTO t(b) VALUES('after');")
                try expectConverged(name, primary, replica)
            }
        }
    }

    @Test
    func `A change made to a database file while the daemon was down becomes a transaction`() async throws {
        try await withCluster { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            try primary.sqlite3("edited.db", "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
            try waitForSamePosition("edited.db", primary, replica)
            let before = try primary.position("edited.db")
            try primary.stop()
            let file = primary.settings.dataFolder + "/dbs/edited.db/database"
            let connection = try SQLiteConnection(file)
            try connection.run("INSERT INTO t VALUES(2)")
            connection.close()
            try primary.start()
            #expect(try primary.sqlite3("edited.db", "SELECT count(*) FROM t;") == "2")
            try eventually("a new transaction") { try primary.position("edited.db").txid > before.txid }
            try expectConverged("edited.db", primary, replica)
        }
    }

    private func outcome(_ settings: NodeSettings) throws -> Outcome {
        try Files.makeDirectories(settings.folder)
        let config = settings.folder + "/litefs.yml"
        try Files.replace(config, with: Array(settings.text.utf8))
        return try Outcome.of(
            [try Binary.path("litefs"), "mount", "-config", config],
            in: settings.folder,
            within: .seconds(10)
        )
    }

    @Test
    func `A database that was opened in the bare folder is warned of, and takes no log from the real one`()
        async throws
    {
        try await withCluster(replicas: 0) { cluster in
            let (primary, name) = (cluster.primary, "gap.db")
            func ask(_ process: SQLiteProcess, _ request: String) throws -> SQLiteProcess.Answer {
                try process.send("c " + request)
                return try process.receive()
            }
            let first = try SQLiteProcess(folder: primary.mount, pipes: cluster.folder.path + "/first")
            _ = try ask(first, "open $DIR/" + name)
            let made = "PRAGMA journal_mode=wal; CREATE TABLE t(x); PRAGMA wal_checkpoint(truncate); "
            #expect(try ask(first, "run \(made) INSERT INTO t VALUES(1)").code == 0)
            try primary.stop()
            try first.kill()

            let second = try SQLiteProcess(folder: primary.mount, pipes: cluster.folder.path + "/second")
            #expect(try ask(second, "open $DIR/" + name).code == 0)
            try primary.start()
            #expect(primary.runLog.contains("is not empty: the mount hides \(name)"))
            // SQLite takes the log beside its empty file for a left-over, and may not remove it.
            for statement in ["SELECT count(*) FROM sqlite_schema", "CREATE TABLE u(x)", "BEGIN IMMEDIATE"] {
                let answer = try ask(second, "run " + statement)
                #expect(answer.code & 0xFF == SQLITE_IOERR, "\(statement): \(answer)")
            }
            #expect(primary.runLog.contains("its log was not removed"))
            #expect(throws: Errno.busy) { try Files.unlink(primary.path(name + "-wal")) }
            let rows = "PRAGMA integrity_check; SELECT count(*) FROM t;"
            #expect(try primary.sqlite3(name, rows) == "ok\n1")
            // Nor a log that is in the database, while somebody uses it.
            let user = try primary.open(name)
            try user.run("INSERT INTO t VALUES(2); PRAGMA wal_checkpoint; SELECT * FROM t")
            #expect(try ask(second, "run SELECT count(*) FROM sqlite_schema").code & 0xFF == SQLITE_IOERR)
            try user.run("INSERT INTO t VALUES(3)")
            #expect(try primary.sqlite3(name, rows) == "ok\n3")
            try user.run("PRAGMA wal_checkpoint; PRAGMA journal_mode=delete")
            // Nor a journal.
            try user.run(
                "PRAGMA cache_size=5; BEGIN IMMEDIATE; INSERT INTO t SELECT randomblob(9000) FROM t, t AS b"
            )
            _ = try ask(second, "run SELECT count(*) FROM sqlite_schema")
            #expect(Files.exists(primary.path(name + "-journal")))
            try user.run(
                "ROLLBACK; PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; DELETE FROM t WHERE rowid > 1"
            )
            user.close()
            try second.kill()
            try primary.sqlite3(name, "INSERT INTO t VALUES(2)")
            #expect(try primary.sqlite3(name, rows) == "ok\n2")
            #expect(!Files.exists(primary.path(name + "-wal")))
            try Files.unlink(primary.path(name))
        }
    }
}
