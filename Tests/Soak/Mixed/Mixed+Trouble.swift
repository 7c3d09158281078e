import Glibc
import HTTP
import Harness
import POSIX

// What happens beside the load: restarts, and the work that an operator does now and then.
extension MixedRun {
    private static let restartLimit = Duration.seconds(30)
    /// A database is made anew when it has grown beyond so many bytes, or by chance.
    private static let databaseBytes: Int64 = 32 << 20
    private static let chancesOfRemoval = 40

    /// Ends and starts a daemon or a program, by SIGTERM or SIGKILL.
    func restartSomebody() throws {
        let isKilled = chance.once(in: 2)
        tally.add(isKilled ? "SIGKILL" : "SIGTERM")
        switch chance.below(5) {
        case 0: try restart(cluster.primary, isKilled: isKilled)
        case 1: try restart(chance.pick(cluster.replicas), isKilled: isKilled)
        default:
            guard let program = chance.pickIfAny(programs.filter(\.isRunning)) else { return }
            program.send(isKilled ? SIGKILL : SIGTERM)
            if program.kind == .writer(mode: "wal") { allowGoingBack(program.database) }
            tally.add("restarts of programs")
        }
    }

    private func restart(_ node: DaemonProcess, isKilled: Bool) throws {
        for program in programs where program.node === node { program.excuse("restart of its node") }
        if isKilled { try node.kill() } else { try node.stop(within: Self.restartLimit) }
        try node.start()
        // Programs that began between the two calls have the dead mount open.
        for program in programs where program.node === node { program.excuse("restart of its node") }
        if node.settings.isPrimary { allowGoingBack("wal.db") }
        tally.add("restarts of daemons")
        try expectAcknowledged()
    }

    /// A writer died between the capture of a commit and its appearance in the wal-index.
    private func allowGoingBack(_ database: String) {
        for program in programs where program.database == database { program.mayGoBack = true }
    }

    /// One of the things that happen now and then.
    func carryOutChore() throws {
        let (database, mode) = chance.pick(Self.databases)
        switch chance.below(6) {
        case 0: try export(database)
        case 1: try vacuum(database)
        case 2...3: try writeMuch(database)
        default:
            let size = try Files.status(cluster.primary.path(database)).size
            guard size > Self.databaseBytes || chance.once(in: Self.chancesOfRemoval) else { return }
            try makeAnew(database, mode)
        }
    }

    /// An export under load is a sound database, whatever else happens.
    private func export(_ database: String) throws {
        let node = chance.pick(cluster.nodes)
        let response = try HTTPClient(limits: .large).request("GET", node.url("/export?name=" + database))
        guard response.status == 200 else {
            return try check(response.status == 404 && !node.settings.isPrimary, "export: \(response.status)")
        }
        let path = cluster.folder.path + "/export"
        try Files.unlink(path, ifExists: true)
        try FileDescriptor.open(path, [.writeOnly, .create]).write(response.body, at: 0)
        let query = "PRAGMA integrity_check; SELECT count(*) = max(n) FROM ledger;"
        // In WAL mode SQLite makes a log beside the copy: not here, where it would be taken for the next one's.
        let outcome = try Outcome.of(
            ["sqlite3", "-batch", "file:\(path)?immutable=1", query],
            in: cluster.folder.path
        )
        try check(
            outcome.output == "ok\n1\n",
            "an export of \(database) is sound: \(outcome.output)\(outcome.errors)"
        )
        tally.add("exports")
    }

    private func vacuum(_ database: String) throws {
        try attempt("VACUUM", database, "vacuums")
    }

    /// A transaction of several MiB, which does not fit the cache.
    private func writeMuch(_ database: String) throws {
        let rows = 500 + chance.below(1500)
        try attempt(
            """
            CREATE TABLE IF NOT EXISTS much(id INTEGER PRIMARY KEY, b);
            BEGIN IMMEDIATE; DELETE FROM much;
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(rows))
            INSERT INTO much(b) SELECT randomblob(4000) FROM n; COMMIT
            """,
            database,
            "large transactions"
        )
    }

    /// Runs SQL on the primary; others may be in the way for too long.
    private func attempt(_ sql: String, _ database: String, _ name: String) throws {
        do {
            try cluster.primary.sqlite3(database, sql + ";")
            tally.add(name)
        } catch let failure as ProgramFailure where failure.text.contains("database is locked") {
            tally.add(name + " that found it locked")
        }
    }

    /// Removes a database on the primary, and makes one of the same name.
    private func makeAnew(_ database: String, _ mode: String) throws {
        for program in programs where program.database == database { try program.stop(tally) }
        for end in ["", "-journal", "-wal", "-shm"] {
            try Files.unlink(cluster.primary.path(database) + end, ifExists: true)
        }
        forget(database)
        try found(database, mode)
        tally.add("databases made anew")
    }
}
