import Harness
import POSIX
import PowerLoss

/// A primary and a replica whose writes and syncs are recorded while databases are written to.
struct PowerRecording {
    let primary: Recording
    let replica: Recording
    let ledgers: [Ledger]

    /// Runs the nodes and the workload.
    init(_ round: Round) throws {
        let short = round.random.next() % 2 == 0
        (primary, replica, ledgers) = try withNodes(isStarted: false) { settings in
            settings.record()
            if short {
                settings.sections["data"] = ["retention: 300ms", "retention-monitor-interval: 100ms"]
            }
        } _: { cluster in
            let disks = try cluster.nodes.map { try $0.makeDisk() }
            defer { for disk in disks { disk.remove() } }
            try cluster.start()
            let ledgers = Self.makeLedgers(on: cluster.primary.mount, &round.random)
            try Self.work(ledgers, cluster, round)
            let isTidy = round.random.next() % 2 == 0
            if isTidy { for ledger in ledgers { ledger.close() } }
            if round.random.next() % 2 == 0 {
                // One that was dropped last has no position.
                for ledger in ledgers.prefix(1) where Files.exists(cluster.primary.path(ledger.name)) {
                    try waitForSamePosition(ledger.name, cluster.primary, try cluster.replica)
                }
            }
            for node in cluster.replicas + [cluster.primary] { try node.stop() }
            for ledger in ledgers { ledger.close() }
            return (try cluster.primary.recording(), try cluster.replica.recording(), ledgers)
        }
    }

    /// A database for each setting of `synchronous`, and one more of those with promises.
    private static func makeLedgers(on mount: String, _ random: inout Seed.Sequence) -> [Ledger] {
        let rollback = ["delete", "truncate", "persist"]
        let modes = [["wal"], rollback, ["wal"] + rollback, ["wal", "delete"]]
        return (Synchronous.allCases + [.normal, .full, .extra]).enumerated()
            .map { index, synchronous in
                Ledger(
                    "\(synchronous)\(index).db",
                    synchronous,
                    journalModes: synchronous == .normal
                        ? modes[index < 4 ? 0 : 1] : modes[Int(random.next() % 4)].shuffled(using: &random),
                    on: mount
                )
            }
    }

    private static func work(_ ledgers: [Ledger], _ cluster: Cluster, _ round: Round) throws {
        let steps = 150 + Int(round.random.next() % 250)
        let restart = round.random.next() % 2 == 0 ? Int(round.random.next() % UInt64(steps)) : -1
        // Each gets its turns in a row, sometimes alone for long, so that others are quiet.
        var current = ledgers[0]
        for step in 0..<steps {
            if round.random.next() % 4 == 0 {
                current = ledgers[Int(round.random.next() % UInt64(ledgers.count))]
            }
            try current.step(&round.random)
            guard step == restart else { continue }
            if round.random.next() % 2 == 0 {
                if round.random.next() % 2 == 0 { for ledger in ledgers { ledger.close() } }
                try cluster.primary.stop()
            } else {
                try cluster.primary.kill()
            }
            for ledger in ledgers { ledger.close() }
            try cluster.primary.start()
            round.tally.add("restarts")
        }
    }
}
