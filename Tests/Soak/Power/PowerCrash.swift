import CSQLite
import Glibc
import Harness
import LTX
import POSIX
import PowerLoss

/// Nodes that are started with what power failure left, again and again, later and later in the recording.
struct PowerCrash {
    private let recording: PowerRecording
    private let cluster: Cluster
    private var primaryDisk: GrowingDisk
    private var replicaDisk: GrowingDisk

    init(_ recording: PowerRecording, _ cluster: Cluster) {
        self.recording = recording
        self.cluster = cluster
        primaryDisk = GrowingDisk(recording.primary)
        replicaDisk = GrowingDisk(recording.replica)
    }

    /// Lets power fail once, starts the nodes, and checks what was promised.
    mutating func happen(_ cut: PowerCut, _ round: Round) throws {
        let (primary, replica) = (cluster.primary, try cluster.replica)
        for node in cluster.nodes {
            try node.kill()
            node.removeDeadMount()
        }
        let replicaSurvival = cut.victim == .primary ? .everything : cut.survival
        let primarySurvival = cut.victim == .replica ? .everything : cut.survival
        primaryDisk.advance(to: cut.primaryCount)
        replicaDisk.advance(to: cut.replicaCount)
        try put(primaryDisk, primarySurvival, on: primary, &round.random)
        try put(replicaDisk, replicaSurvival, on: replica, &round.random)
        try replica.start(until: .mounted)
        for ledger in recording.ledgers { try checkReplica(ledger, cut) }
        try primary.start()
        var sound: [Ledger] = []
        for ledger in recording.ledgers where try checkPrimary(ledger, cut, primarySurvival, round.tally) {
            sound.append(ledger)
        }
        try replica.wait(for: .ready)
        let goesOn = round.random.next() % 2 == 0
        for ledger in recording.ledgers
        where goesOn && !sound.contains(where: { $0 === ledger }) && !Files.exists(primary.path(ledger.name))
        {
            // Made anew, it is a database as any other.
            try primary.sqlite3(ledger.name, "CREATE TABLE anew(x);")
            sound.append(ledger)
        }
        for ledger in sound {
            if goesOn { try goOn(ledger) }
            try checkConvergence(ledger)
        }
        try checkNames(without: recording.ledgers.filter { ledger in !sound.contains { $0 === ledger } })
        round.tally.add("power failures")
        round.tally.add("\(cut.survival)")
    }

    private func put(
        _ disk: GrowingDisk,
        _ survival: Survival,
        on node: DaemonProcess,
        _ random: inout Seed.Sequence
    ) throws {
        let state = disk.disk.state(survival, &random)
        try state.write(to: node.settings.diskFolder, of: disk.recording)
        guard getenv("LITEFS_TEST_KEEP") != nil else { return }
        // For whoever wants to look at it: the nodes do not touch this copy.
        let copy = node.settings.folder + "/power-failed"
        try Files.makeDirectories(copy)
        try state.write(to: copy, of: disk.recording)
    }

    /// Before it hears of the primary a replica shows a state that some transaction left, or nothing.
    private func checkReplica(_ ledger: Ledger, _ cut: PowerCut) throws {
        let replica = try cluster.replica
        let state = try LedgerState.read(replica.path(ledger.name), flags: SQLITE_OPEN_READONLY)
        let highest = try required(state.highest, "\(ledger.name) on the replica is sound: \(state)")
        let states = ledger.history.states.filter { $0.begun < cut.time }
        try check(
            states.contains { $0.highest == highest },
            "\(ledger.name) on the replica is in a state that there was: \(state)"
        )
    }

    /// Checks a database on the primary.
    ///
    /// - Returns: Whether it is sound.
    private func checkPrimary(
        _ ledger: Ledger,
        _ cut: PowerCut,
        _ survival: Survival,
        _ tally: Tally
    ) throws -> Bool {
        let primary = cluster.primary
        let state = try LedgerState.read(primary.path(ledger.name))
        if survival != .everything, ledger.mayBeDamaged(isTorn: survival == .weak || survival == .journalled)
        {
            // A file without a header is kept, and not shown.
            let isKept = Files.exists(file(ledger)) && !Files.exists(primary.path(ledger.name))
            guard state.highest != nil, !isKept else {
                tally.add("damaged with \(ledger.synchronous.rawValue)")
                return false
            }
            return true
        }
        let highest = try required(state.highest, "\(ledger.name) is sound: \(state)")
        let possible = ledger.history.possible(before: cut.time)
        try check(
            possible.contains { $0.highest == highest },
            "\(ledger.name) \(ledger.synchronous) \(ledger.journalModes) has \(state), one of \(possible.map(\.highest))"
        )
        tally.add("sound databases")
        return true
    }

    /// The primary's file of a database.
    private func file(_ ledger: Ledger) -> String {
        cluster.primary.settings.dataFolder + "/dbs/\(ledger.name)/database"
    }

    /// The database can be written to.
    private func goOn(_ ledger: Ledger) throws {
        guard Files.exists(cluster.primary.path(ledger.name)) else { return }
        let connection = try cluster.primary.open(ledger.name)
        try connection.run("CREATE TABLE IF NOT EXISTS afterwards(x); INSERT INTO afterwards VALUES(1);")
    }

    /// The replica shows the databases that have content on the primary, and not those of which it is on record that they
    /// have none.
    ///
    /// Where the primary has no record, a replica keeps what it has.
    private func checkNames(without damaged: [Ledger]) throws {
        let (primary, replica) = (cluster.primary, try cluster.replica)
        func shown(_ node: DaemonProcess) throws -> Set<String> {
            Set(
                try Files.list(node.mount).map(\.name).filter { $0.hasSuffix("-pos") }
                    .map { String($0.dropLast(4)) }
            )
        }
        var wrong: [String] = []
        try eventually("the replica shows what the primary has: \(wrong)") {
            let (left, right) = (try shown(primary), try shown(replica))
            wrong = try left.union(right).subtracting(damaged.map(\.name))
                .filter { name in
                    if left.contains(name), try hasContent(name) { return !right.contains(name) }
                    let records = LogChain(primary.settings.dataFolder + "/dbs/\(name)/ltx")
                    return records.position != nil && right.contains(name)
                }
            return wrong.isEmpty
        }
    }

    /// Whether a database that the primary shows has any bytes; one whose first transaction was rolled back has none.
    private func hasContent(_ name: String) throws -> Bool {
        try Files.status(cluster.primary.path(name)).size > 0
    }

    /// The records lead to the content, and the replica comes to have it.
    private func checkConvergence(_ ledger: Ledger) throws {
        let (primary, replica) = (cluster.primary, try cluster.replica)
        guard Files.exists(primary.path(ledger.name + "-pos")) else { return }
        let folder = primary.settings.dataFolder + "/dbs/\(ledger.name)/ltx"
        var chain = LogChain(folder)
        var position = try primary.position(ledger.name)
        try eventually(
            "the records of \(ledger.name) lead to \(position): \(String(describing: chain.position))"
        ) {
            chain = LogChain(folder)
            position = try primary.position(ledger.name)
            return chain.position == position || position == .zero
        }
        guard position != .zero, try hasContent(ledger.name) else { return }
        try expectConverged(ledger.name, primary, replica, isReplayed: chain.first == TXID(1))
    }
}

/// A disk on which more and more of a recording was done.
private struct GrowingDisk {
    let recording: Recording
    private(set) var disk = Disk()
    private var count = 0

    init(_ recording: Recording) {
        self.recording = recording
    }

    mutating func advance(to end: Int) {
        for record in recording.records[count..<max(count, end)] { disk.carryOut(record) }
        count = max(count, end)
    }
}
