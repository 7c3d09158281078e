import Harness
import POSIX

extension Trial {
    /// Processes die at random moments of transactions.
    package static let kills = Trial(
        "kills",
        summary:
            "kills the primary, a replica, the writer or all of them at random moments; nothing acknowledged is lost"
    ) { round in
        try withNodes { cluster in
            let modes = ["wal", "delete", "truncate", "persist"]
            let mode = modes[Int(round.random.next() % UInt64(modes.count))]
            for number in 1...4 { try Kills.once(mode, number, cluster, round) }
        }
    }
}

/// What the trial `kills` does.
private enum Kills {
    static let database = "kills.db"

    static func once(_ mode: String, _ number: Int, _ cluster: Cluster, _ round: Round) throws {
        let output = cluster.folder.path + "/writer-\(number)"
        let writer = try Program(
            [
                try Binary.path("workload"), "write", cluster.primary.path(database), mode,
                "\(round.random.next() % 1_000_000)", "mixed", "1000000",
            ],
            output: output
        )
        defer { writer.send(9) }
        let wanted = 1 + Int(round.random.next() % 60)
        try eventually("\(wanted) commits\n\(writer.output.suffix(300))", within: .seconds(30)) {
            try check(writer.exit == nil, "the writer runs: \(writer.output.suffix(300))")
            return writer.output.utf8.count { $0 == 10 } >= wanted
        }
        let end = MonotonicTime.now + .microseconds(Int64(round.random.next() % 8000))
        while .now < end {}
        let victims = round.random.next() % 8
        // Bits: primary, replica, writer; without any, everything dies.
        let dies = victims == 0 ? 7 : victims
        if dies & 1 != 0 { try cluster.primary.kill() }
        if dies & 2 != 0 { try cluster.replica.kill() }
        try writer.kill()
        if dies & 1 != 0 { try cluster.primary.start() }
        if dies & 2 != 0 { try cluster.replica.start() }
        round.tally.add("kills", dies.nonzeroBitCount)
        let acknowledged = writer.output.split(separator: "\n").compactMap { Int($0) }.last ?? 0
        let state = try cluster.primary.sqlite3(
            database,
            """
            SELECT max(n) >= \(acknowledged), count(*) = max(n), sum(square = n * n) = max(n) FROM ledger;
            SELECT (SELECT sum(v) FROM giving) = (SELECT sum(v) FROM taking);
            """
        )
        try check(state == "1|1|1\n1", "\(acknowledged) acknowledged rows, sums in balance: \(state)")
        try expectConverged(database, cluster.primary, try cluster.replica)
        round.tally.add("acknowledged commits", acknowledged)
    }
}
