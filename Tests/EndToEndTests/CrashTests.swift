import Glibc
import Harness
import LTX
import POSIX
import Testing

/// Kills processes at random moments of transactions.
///
/// LITEFS_TEST_SEED repeats a run's sequence.
@Suite(.serialized, .logsOnFailure)
struct CrashTests {
    enum Victim: String, CaseIterable {
        case primary, replica, writer
    }

    /// How often each victim dies in each journal mode: 2 modes, 3 victims.
    static let rounds = 9

    @Test(arguments: ["wal", "delete"], Victim.allCases)
    func `Whoever is killed, nothing that was acknowledged is lost`(mode: String, victim: Victim) async throws
    {
        var random = Seed.sequence(for: "\(mode) \(victim)")
        let name = "crash.db"
        try await withCluster(limit: .seconds(150)) { cluster in
            var last = Position.zero
            for round in 1...Self.rounds {
                let writer = try Program(
                    [
                        try Binary.path("workload"), "write", cluster.primary.path(name), mode,
                        "\(random.next() % 1_000_000)", "mixed", "1000000",
                    ],
                    output: cluster.folder.path + "/writer-\(round)"
                )
                let wanted = 1 + Int(random.next() % 60)
                try eventually("\(wanted) commits\n\(writer.output.suffix(300))", within: .seconds(30)) {
                    try #require(writer.exit == nil, "\(writer.output.suffix(300))")
                    return writer.output.utf8.count { $0 == 10 } >= wanted
                }
                spin(microseconds: random.next() % 8000)
                switch victim {
                case .primary: try cluster.primary.kill()
                case .replica: try cluster.replica.kill()
                case .writer: try writer.kill()
                }
                if victim == .replica {
                    let before = try cluster.primary.position(name)
                    try eventually("the primary goes on") {
                        try cluster.primary.position(name).txid > before.txid
                    }
                }
                try writer.kill()
                if victim == .primary { try cluster.primary.start() }
                if victim == .replica { try cluster.replica.start() }
                try check(
                    name,
                    cluster,
                    acknowledged: acknowledged(writer),
                    "round \(round), \(mode), \(victim)"
                )
                let position = try cluster.primary.position(name)
                #expect(position.txid >= last.txid, "round \(round): the position never goes back")
                last = position
            }
        }
    }

    @Test(arguments: ["wal", "delete"])
    func `Everything killed at once comes back with all that was acknowledged`(mode: String) async throws {
        var random = Seed.sequence(for: "all \(mode)")
        let name = "crash.db"
        try await withCluster(limit: .seconds(100)) { cluster in
            for round in 1...3 {
                let writer = try Program(
                    [
                        try Binary.path("workload"), "write", cluster.primary.path(name), mode, "\(round)",
                        "mixed",
                        "1000000",
                    ],
                    output: cluster.folder.path + "/writer-\(round)"
                )
                try eventually("commits\n\(writer.output.suffix(300))", within: .seconds(30)) {
                    writer.output.utf8.count { $0 == 10 } >= 10
                }
                spin(microseconds: random.next() % 5000)
                for node in cluster.nodes { node.current?.send(SIGKILL) }
                try writer.kill()
                for node in cluster.nodes { try node.kill() }
                try cluster.start()
                try check(name, cluster, acknowledged: acknowledged(writer), "round \(round), \(mode)")
            }
        }
    }

    /// What a power failure can leave of a database that its program does not sync: SQLite takes the log for a left-over, and
    /// removes it.
    @Test
    func `A log beside a database file that lost its content goes, and its content on replicas`() async throws
    {
        try await withCluster { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let name = "lost.db"
            let program = try SQLiteProcess(folder: primary.mount, pipes: cluster.folder.path + "/program")
            try program.send("c open $DIR/" + name)
            _ = try program.receive()
            try program.send("c run PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES(1)")
            #expect(try program.receive().code == 0)
            try waitForSamePosition(name, primary, replica)
            try program.kill()
            try primary.kill()
            #expect(truncate(primary.settings.dataFolder + "/dbs/\(name)/database", 0) == 0)
            try primary.start()
            #expect(try primary.sqlite3(name, "SELECT count(*) FROM sqlite_schema;") == "0")
            try eventually("the content is gone from the replica") { !Files.exists(replica.path(name)) }
            try primary.sqlite3(name, "CREATE TABLE other(a); INSERT INTO other VALUES('new');")
            try expectConverged(name, primary, replica)
            #expect(try replica.sqlite3(name, "SELECT a FROM other;") == "new")
        }
    }

    /// The last number that a writer was told is committed.
    private func acknowledged(_ writer: Program) -> Int {
        writer.output.split(separator: "\n").compactMap { Int($0) }.last ?? 0
    }

    private func check(_ name: String, _ cluster: Cluster, acknowledged: Int, _ what: String) throws {
        let state = try cluster.primary
            .sqlite3(
                name,
                """
                PRAGMA integrity_check;
                SELECT max(n), count(*) = max(n), sum(square = n * n) = max(n) FROM ledger;
                SELECT (SELECT sum(v) FROM giving) = (SELECT sum(v) FROM taking);
                """
            )
            .split(separator: "\n")
        try #require(state.first == "ok", "\(what): \(state)")
        let columns = state[1].split(separator: "|")
        #expect(Int(columns[0]) ?? 0 >= acknowledged, "\(what): \(acknowledged) were acknowledged")
        #expect(columns.dropFirst().allSatisfy { $0 == "1" } && state.last == "1", "\(what): \(state)")
        do {
            try expectConverged(name, cluster.primary, try cluster.replica, isReplayed: true)
        } catch {
            Issue.record(error, "\(what)")
            throw error
        }
    }

    /// Lets a random, very short time pass, shorter than the scheduler's, so that kills hit any moment of a transaction.
    private func spin(microseconds: UInt64) {
        let end = MonotonicTime.now + .microseconds(Int64(microseconds))
        while .now < end {}
    }
}
