import Harness
import POSIX
import Testing

/// What a disk that fails at one place in the code must not do to replication, and what comes of it when it works again.
@Suite(.serialized, .logsOnFailure)
struct DiskFaultTests {
    private static let database = "fault.db"

    /// Makes a database, starts a node again with faults, and does something with it.
    private func withFaults(
        _ faults: String,
        mode: String,
        onReplica: Bool = false,
        _ body: (DaemonProcess, DaemonProcess) throws -> Void
    ) async throws {
        try await withCluster(limit: .seconds(60)) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            try primary.sqlite3(
                Self.database,
                "PRAGMA journal_mode=\(mode); CREATE TABLE t(x); INSERT INTO t VALUES(randomblob(20000));"
            )
            try waitForSamePosition(Self.database, primary, replica)
            let node = onReplica ? replica : primary
            try node.stop()
            try node.start(environment: ["LITEFS_FAULTS": faults])
            try body(primary, replica)
        }
    }

    private func insert(_ mode: String, _ bytes: Int = 100) -> String {
        "PRAGMA journal_mode=\(mode); INSERT INTO t VALUES(randomblob(\(bytes)));"
    }

    @Test(arguments: ["delete", "truncate", "persist", "off"])
    func `A commit whose record does not get its name is recorded later`(mode: String) async throws {
        try await withFaults("ltx.rename=EIO@1-3", mode: mode) { primary, replica in
            try primary.sqlite3(Self.database, insert(mode))
            try expectConverged(Self.database, primary, replica)
        }
    }

    @Test func `A replica can be read while its log cannot be opened`() async throws {
        try await withFaults("apply.open=ENOSPC@1-10", mode: "wal", onReplica: true) { primary, replica in
            try primary.sqlite3(Self.database, insert("wal"))
            #expect(replica.runLog.contains("fault point apply.open"))
            #expect(try replica.sqlite3(Self.database, "SELECT count(*) FROM t;") == "1")
            try expectConverged(Self.database, primary, replica)
        }
    }

    @Test func `A removal whose record does not get its name reaches the replica later`() async throws {
        try await withFaults("ltx.rename=EIO@1-3", mode: "delete") { primary, replica in
            try Files.unlink(primary.path(Self.database))
            try eventually("the replica has no database") { !Files.exists(replica.path(Self.database)) }
        }
    }

    @Test func `A removal is completed after a crash before its record gets its name`() async throws {
        try await withFaults("ltx.rename=kill@1", mode: "delete") { primary, replica in
            #expect(throws: Errno.self) { try Files.unlink(primary.path(Self.database)) }
            _ = try primary.waitForExit()
            primary.removeDeadMount()
            try primary.start()
            #expect(!Files.exists(primary.path(Self.database)))
            try eventually("the replica has no database") { !Files.exists(replica.path(Self.database)) }
        }
    }

    @Test func `A log that could not be removed goes on to be replicated`() async throws {
        try await withFaults("wal.unlink=EIO@1", mode: "wal") { primary, replica in
            let first = try primary.open(Self.database)
            try first.run("INSERT INTO t VALUES(1)")
            // The last connection to close removes the log; SQLite does not tell that it could not.
            first.close()
            #expect(primary.runLog.contains("fault point wal.unlink"))
            let second = try primary.open(Self.database)
            try second.run("INSERT INTO t VALUES(2)")
            try waitForSamePosition(Self.database, primary, replica)
            #expect(try replica.sqlite3(Self.database, "SELECT count(*) FROM t WHERE x = 2;") == "1")
            second.close()
            try expectConverged(Self.database, primary, replica)
        }
    }

    @Test func `A write without a journal that fails halfway is replicated as it is`() async throws {
        try await withFaults("database.write=short@1-2", mode: "off") { primary, replica in
            let connection = try primary.open(Self.database)
            try connection.run("PRAGMA journal_mode=off")
            #expect(connection.refusal("UPDATE t SET x = randomblob(20000)") != nil)
            connection.close()
            try eventually("equal exports") {
                try primary.export(Self.database) == replica.export(Self.database)
                    && primary.export(Self.database) == Files.read(primary.path(Self.database))
            }
        }
    }

    @Test func `Half of a journal header overwritten with zeros ends the transaction`() async throws {
        // The last write to the journal of the first transaction that is not the one that makes it.
        try await withFaults("journal.write=note@1+", mode: "persist") { primary, replica in
            try primary.sqlite3(Self.database, insert("persist"))
            let writes = primary.runLog.components(of: "fault point journal.write")
            try primary.stop()
            try primary.start(environment: ["LITEFS_FAULTS": "journal.write=short@\(writes)"])
            _ = try? primary.sqlite3(Self.database, insert("persist"))
            try eventually("the content is replicated") {
                try primary.export(Self.database) == Files.read(primary.path(Self.database))
            }
            try expectConverged(Self.database, primary, replica)
        }
    }

    @Test func `Records that could not be put on disk are written again before SQLite's log goes`()
        async throws
    {
        try await withFaults("ltx.log.sync=EIO@1,ltx.rewrite.rename=note@1+", mode: "wal") {
            primary,
            replica in
            let connection = try primary.open(Self.database)
            try connection.run("INSERT INTO t VALUES(1)")
            #expect(connection.refusal("PRAGMA wal_checkpoint(TRUNCATE)") != nil)
            #expect(!primary.runLog.contains("fault point ltx.rewrite.rename"))
            try connection.run("INSERT INTO t VALUES(2); PRAGMA wal_checkpoint(TRUNCATE)")
            #expect(primary.runLog.contains("fault point ltx.rewrite.rename"))
            connection.close()
            try expectConverged(Self.database, primary, replica)
        }
    }

    @Test func `A start that cannot store what it finds goes on when it can`() async throws {
        try await withCluster { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            try primary.sqlite3(Self.database, "PRAGMA journal_mode=delete; CREATE TABLE t(x);")
            try waitForSamePosition(Self.database, primary, replica)
            try primary.stop()
            let file = primary.settings.dataFolder + "/dbs/\(Self.database)/database"
            let edit = "INSERT INTO t VALUES(randomblob(9000));"
            let outcome = try Outcome.of(["sqlite3", file, edit], in: primary.settings.folder)
            try check(outcome.exit == .code(0), "the file below is edited: \(outcome.errors)")
            try primary.start(environment: ["LITEFS_FAULTS": "ltx.create=ENOSPC@1-8"])
            #expect(try primary.sqlite3(Self.database, "SELECT count(*) FROM t;") == "1")
            try expectConverged(Self.database, primary, replica)
            try primary.sqlite3(Self.database, "INSERT INTO t VALUES(2);")
            try expectConverged(Self.database, primary, replica)
        }
    }

    @Test func `A rename that fails leaves the database under its name`() async throws {
        try await withFaults("local.rename=EIO@1", mode: "delete") { primary, replica in
            #expect(throws: Errno.io) {
                try Files.rename(primary.path(Self.database), primary.path("other.db"))
            }
            try expectConverged(Self.database, primary, replica)
            try Files.rename(primary.path(Self.database), primary.path("other.db"))
            try expectConverged("other.db", primary, replica)
        }
    }

    @Test(arguments: ["local.rename=kill@1", "names.adopt.rename=kill@1"])
    func `A rename in which the primary dies leaves the database under one of its names`(
        fault: String
    ) async throws {
        try await withFaults(fault, mode: "delete") { primary, replica in
            #expect(throws: Errno.self) {
                try Files.rename(primary.path(Self.database), primary.path("other.db"))
            }
            _ = try primary.waitForExit()
            primary.removeDeadMount()
            try primary.start()
            let names = [Self.database, "other.db"].filter { Files.exists(primary.path($0)) }
            #expect(names.count == 1)
            try expectConverged(try required(names.first, "one of its names"), primary, replica)
        }
    }

    // MARK: - Replica

    @Test func `A replica that dies while it installs a database gets it at the next start`() async throws {
        try await withFaults("install.rename=kill@1", mode: "wal", onReplica: true) { primary, replica in
            try primary.sqlite3("second.db", "CREATE TABLE t(x);")
            _ = try replica.waitForExit()
            replica.removeDeadMount()
            try replica.start()
            try expectConverged("second.db", primary, replica)
        }
    }

    @Test func `A replica's log that could not be put on disk is written again and copied back`() async throws
    {
        let faults = "checkpoint.log.sync=EIO@1,checkpoint.database.sync=note@1+"
        try await withFaults(faults, mode: "wal", onReplica: true) { primary, replica in
            try primary.sqlite3(Self.database, insert("wal"))
            try eventually("the log is copied back", within: .seconds(15)) {
                replica.runLog.contains("fault point checkpoint.database.sync")
            }
            try expectConverged(Self.database, primary, replica)
        }
    }

    @Test func `A replica that cannot open a database keeps what its readers have`() async throws {
        let faults = "apply.open=EIO@1-4,install.unlink=note@1+"
        try await withFaults(faults, mode: "wal", onReplica: true) { primary, replica in
            try primary.sqlite3(Self.database, insert("wal"))
            try expectConverged(Self.database, primary, replica)
            #expect(!replica.runLog.contains("fault point install.unlink"))
        }
    }
}

extension String {
    /// How often a text occurs.
    fileprivate func components(of text: String) -> Int {
        split(separator: "\n").count { $0.contains(text) }
    }
}
