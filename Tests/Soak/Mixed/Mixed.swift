import Glibc
import Harness
import POSIX

extension Trial {
    /// Everything at once, for as long as wanted.
    package static let mixed = Trial(
        "mixed",
        summary:
            "mixed load on a primary and two replicas with restarts, until the time is over; nothing may grow"
    ) { round in
        let limit = max(.zero, round.deadline - .now) + MixedRun.endLimit
        try withNodes(
            replicas: 2,
            limit: limit,
            configure: {
                $0.sections["data"] = [
                    "retention: \"\(MixedBounds.retention)s\"",
                    "retention-monitor-interval: \"\(MixedBounds.retentionInterval)s\"",
                ]
            }
        ) { cluster in try MixedRun(cluster, round).go() }
    }
}

/// One round of the trial `mixed`.
final class MixedRun {
    let cluster: Cluster
    let tally: Tally
    var chance: Chance
    private(set) var programs: [LoadProgram] = []
    private let deadline: MonotonicTime
    private let start = MonotonicTime.now
    private var worst: [String: NodeSample] = [:]
    private var acknowledged: [String: Int] = [:]

    /// How long the end may take: everything comes to rest and is compared.
    static let endLimit = Duration.seconds(300)
    /// The databases and their journal modes.
    static let databases = [
        ("wal.db", "wal"), ("delete.db", "delete"), ("truncate.db", "truncate"), ("persist.db", "persist"),
    ]
    /// Somebody is restarted every so often.
    private static let troublePause = Duration.seconds(10)
    private static let samplePause = Duration.seconds(2)
    private static let choresPause = Duration.milliseconds(1500)
    /// What a program's first commits may take to arrive everywhere.
    private static let arrivalLimit = Duration.seconds(60)

    init(_ cluster: Cluster, _ round: Round) throws {
        self.cluster = cluster
        tally = round.tally
        deadline = round.deadline
        chance = Chance(round.random)
    }

    func go() throws {
        for (database, mode) in Self.databases { try found(database, mode) }
        try hire()
        defer { for program in programs { program.send(SIGKILL) } }
        // In a short run everything happens, too.
        let pause = min(Self.troublePause, .milliseconds(Int64((deadline - start).seconds * 1000 / 8)))
        var (trouble, sample, chore) = (start + pause, start, start + Self.choresPause)
        while .now < deadline {
            for program in programs { try program.tend(tally) }
            if sample <= .now {
                try takeSamples()
                sample = .now + Self.samplePause
            }
            if chore <= .now {
                try carryOutChore()
                chore = .now + Self.choresPause
            }
            if trouble <= .now {
                try restartSomebody()
                trouble = .now + pause
            }
            POSIX.pause(.milliseconds(30))
        }
        try end()
    }

    /// Makes a database, with tables and some rows, and waits for it on all nodes.
    func found(_ database: String, _ mode: String) throws {
        let outcome = try Outcome.of(
            [try Binary.path("workload"), "write", cluster.primary.path(database), mode, "1", "mixed", "5"],
            in: cluster.folder.path
        )
        try check(outcome.exit == .code(0), "\(database) can be made: \(outcome.output)")
        acknowledged[database] = 5
        for replica in cluster.replicas {
            try waitForSamePosition(database, cluster.primary, replica, within: Self.arrivalLimit)
        }
    }

    private func hire() throws {
        let folder = cluster.folder.path + "/load"
        try Files.makeDirectories(folder)
        func hire(_ kind: LoadProgram.Kind, _ database: String, _ node: DaemonProcess) {
            let seed = Chance(Seed.Sequence(seed: UInt64(chance.below(1_000_000_000))))
            programs.append(LoadProgram(kind, database, node, base: "\(folder)/\(programs.count)", seed))
        }
        for (database, mode) in Self.databases {
            hire(.writer(mode: mode), database, cluster.primary)
            hire(.reader, database, chance.pick(cluster.replicas))
        }
        // With a log writers and readers do not wait for each other.
        hire(.writer(mode: "wal"), "wal.db", cluster.primary)
        hire(.reader, "wal.db", cluster.primary)
        for replica in cluster.replicas { hire(.holder, chance.pick(Self.databases).0, replica) }
        hire(.holder, "wal.db", cluster.primary)
    }

    // MARK: - What must hold

    private func takeSamples() throws {
        for node in cluster.nodes {
            let sample = try NodeSample(node)
            worst[node.settings.name] = worst[node.settings.name]?.joined(sample) ?? sample
            try MixedBounds.check(sample, node)
        }
        tally.add("samples")
    }

    func forget(_ database: String) {
        acknowledged[database] = 0
        for program in programs where program.database == database { program.forget() }
    }

    /// Expects that the primary has everything that was acknowledged.
    func expectAcknowledged() throws {
        for (database, _) in Self.databases {
            let highest = programs.filter { $0.database == database }.map(\.acknowledged).max() ?? 0
            let wanted = max(highest, acknowledged[database] ?? 0)
            acknowledged[database] = wanted
            let state = try cluster.primary.sqlite3(
                database,
                """
                SELECT max(n) >= \(wanted), count(*) = max(n), sum(square = n * n) = max(n) FROM ledger;
                SELECT (SELECT sum(v) FROM giving) = (SELECT sum(v) FROM taking);
                """
            )
            try check(
                state == "1|1|1\n1",
                "\(wanted) acknowledged rows of \(database), sums in balance: \(state)"
            )
        }
    }

    private func end() throws {
        for program in programs { try program.stop(tally) }
        try takeSamples()
        try expectAcknowledged()
        for (database, _) in Self.databases {
            for replica in cluster.replicas {
                try expectConverged(
                    database,
                    cluster.primary,
                    replica,
                    isReplayed: false,
                    within: Self.arrivalLimit
                )
            }
        }
        try expectRest()
        for node in cluster.nodes {
            say("soak mixed: \(node.settings.name) at most \(worst[node.settings.name]?.summary ?? "-")")
            say(
                "soak mixed: \(node.settings.name) at rest \(try NodeSample(node).summary), \(try locks(on: node.mount).count) locks"
            )
        }
    }

    /// Expects that nothing is left of the work when there is none.
    private func expectRest() throws {
        for node in cluster.nodes {
            let name = node.settings.name
            let bound = node.settings.isPrimary ? 0 : MixedBounds.replicaLocks * Self.databases.count
            var found = ""
            try eventually("\(name) at rest has at most \(bound) locks: \(found)") {
                let locks = try locks(on: node.mount)
                found = locks.joined(separator: "\n")
                return locks.count <= bound
            }
            try eventually("\(name) at rest has few descriptors, and no temporary files: \(found)") {
                let sample = try NodeSample(node)
                found = "\(sample.summary) \(sample.temporary)"
                return sample.temporary.isEmpty && sample.descriptors <= MixedBounds.idleDescriptors
            }
        }
    }
}
