import Glibc
import Harness
import POSIX

extension Trial {
    /// Daemons die, and nobody notices.
    package static let takeover = Trial(
        "takeover",
        summary: "kills daemons under their supervisors, at random moments; no statement of any program fails"
    ) { round in
        let modes = ["wal", "delete", "truncate", "persist"]
        let mode = modes[Int(round.random.next() % UInt64(modes.count))]
        let passthrough = round.random.next() % 2 == 0 ? "auto" : "off"
        try withNodes(configure: { if $0.isPrimary { $0.passthrough = passthrough } }) { cluster in
            try Takeover.run(mode, cluster, round)
        }
    }
}

/// What the trial `takeover` does.
private enum Takeover {
    static let database = "takeover.db"
    static let duration = Duration.seconds(8)

    static func run(_ mode: String, _ cluster: Cluster, _ round: Round) throws {
        let (primary, replica) = (cluster.primary, try cluster.replica)
        let workload = try Binary.path("workload")
        let folder = cluster.folder.path
        let first = try Program(
            [workload, "write", primary.path(database), mode, "1", "plain", "1"],
            output: folder + "/first"
        )
        try check(try first.waitForExit() == .code(0), first.output)
        try waitForSamePosition(database, primary, replica)
        let writers = try (0..<2)
            .map { number in
                try Program(
                    [
                        workload, "append", primary.path(database), mode,
                        "\(round.random.next() % 1_000_000)",
                        "mixed", "100000000", "\(round.random.next() % 3)",
                    ],
                    output: folder + "/writer-\(number)"
                )
            }
        let stop = folder + "/stop"
        let readers = try (0..<2)
            .map { number in
                try Program(
                    [workload, "read", replica.path(database), stop],
                    output: folder + "/reader-\(number)"
                )
            }
        defer { for program in writers + readers { program.send(SIGKILL) } }
        let end = MonotonicTime.now + duration
        while .now < end {
            pause(.microseconds(Int64(round.random.next() % 700_000)))
            let node = round.random.next() % 2 == 0 ? primary : replica
            guard let daemon = node.daemonPID else { continue }
            Glibc.kill(daemon, SIGKILL)
            round.tally.add("daemons killed", 1)
        }
        let before = commits(writers)
        try eventually("writers go on\n\(primary.log.suffix(2000))", within: .seconds(30)) {
            commits(writers) > before
        }
        for writer in writers {
            try check(writer.exit == nil, "a writer runs: \(writer.output.suffix(500))")
            try writer.kill()
        }
        _ = try FileDescriptor.open(stop, [.create, .writeOnly])
        for reader in readers {
            _ = try reader.waitForExit(within: .seconds(60))
            try check(reader.output.contains(" errors 0 "), "\(reader.output.suffix(1000))")
        }
        let acknowledged =
            writers.flatMap { $0.output.split(separator: "\n").compactMap { Int($0) } }.max() ?? 0
        let state = try primary.sqlite3(
            database,
            "SELECT max(n) >= \(acknowledged), count(*) = max(n), sum(square = n * n) = max(n) FROM ledger;"
        )
        try check(state == "1|1|1", "\(acknowledged) acknowledged rows: \(state)")
        for node in cluster.nodes {
            try check(!node.log.contains("cannot be found again"), "open files stay on \(node.settings.name)")
        }
        try expectConverged(database, primary, replica, within: .seconds(30))
        round.tally.add("acknowledged commits", commits(writers))
    }

    private static func commits(_ writers: [Program]) -> Int {
        writers.reduce(0) { $0 + $1.output.utf8.count { $0 == 10 } }
    }
}
