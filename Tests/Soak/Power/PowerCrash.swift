import CSQLite
import Glibc
import Harness
import LTX
import POSIX
import PowerLoss

/// Nodes that are started with what power failure left, again and again.
struct PowerCrash {
    private let recording: PowerRecording
    private let cluster: Cluster

    init(_ recording: PowerRecording, _ cluster: Cluster) {
        self.recording = recording
        self.cluster = cluster
    }

    /// Lets power fail once, starts the nodes, and checks what was promised.
    func happen(_ cut: PowerCut, _ round: Round) throws {
        let (primary, replica) = (cluster.primary, try cluster.replica)
        for node in cluster.nodes {
            try node.kill()
            node.removeDeadMount()
        }
        let replicaSurvival = cut.victim == .primary ? .everything : cut.survival
        let primarySurvival = cut.victim == .replica ? .everything : cut.survival
        try put(recording.primary, cut.primaryCount, primarySurvival, on: primary, &round.random)
        try put(recording.replica, cut.replicaCount, replicaSurvival, on: replica, &round.random)
        try replica.start(until: .mounted)
        for ledger in recording.ledgers { try checkReplica(ledger, cut) }
        try primary.start()
        var sound: [Ledger] = []
        for ledger in recording.ledgers where try checkPrimary(ledger, cut, primarySurvival, round.tally) {
            sound.append(ledger)
        }
        try replica.wait(for: .ready)
        let goesOn = round.random.next() % 2 == 0
        for ledger in sound {
            if goesOn { try goOn(ledger) }
            try checkConvergence(ledger)
        }
        try checkNames(without: recording.ledgers.filter { ledger in !sound.contains { $0 === ledger } })
        round.tally.add("power failures")
        round.tally.add("\(cut.survival)")
    }

    private func put(
        _ calls: Recording,
        _ count: Int,
        _ survival: Survival,
        on node: DaemonProcess,
        _ random: inout Seed.Sequence
    ) throws {
        let state = calls.disk(after: count).state(survival, &random)
        try state.write(to: node.settings.diskFolder, of: calls)
        guard getenv("LITEFS_TEST_KEEP") != nil else { return }
        // For whoever wants to look at it: the nodes do not touch this copy.
        let copy = node.settings.folder + "/power-failed"
        try Files.makeDirectories(copy)
        try state.write(to: copy, of: calls)
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
            guard state.highest != nil else {
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

    /// The database can be written to.
    private func goOn(_ ledger: Ledger) throws {
        guard Files.exists(cluster.primary.path(ledger.name)) else { return }
        let connection = try cluster.primary.open(ledger.name)
        try connection.run("CREATE TABLE IF NOT EXISTS afterwards(x); INSERT INTO afterwards VALUES(1);")
    }

    /// Both nodes show the same databases.
    private func checkNames(without damaged: [Ledger]) throws {
        func names(_ node: DaemonProcess) throws -> Set<String> {
            let all = try Files.list(node.mount).map(\.name).filter { $0.hasSuffix("-pos") }
            return Set(all).subtracting(damaged.map { $0.name + "-pos" })
        }
        var shown = ""
        try eventually("the same databases: \(shown)") {
            let (expected, found) = (try names(cluster.primary), try names(try cluster.replica))
            shown = "\(found.sorted()) are \(expected.sorted())"
            return found == expected
        }
    }

    /// The records lead to the content, and the replica comes to have it.
    private func checkConvergence(_ ledger: Ledger) throws {
        let (primary, replica) = (cluster.primary, try cluster.replica)
        guard Files.exists(primary.path(ledger.name + "-pos")) else { return }
        let folder = primary.settings.dataFolder + "/dbs/\(ledger.name)/ltx"
        var chain = try LogChain(folder)
        var position = try primary.position(ledger.name)
        try eventually(
            "the records of \(ledger.name) lead to \(position): \(String(describing: chain.position))"
        ) {
            chain = try LogChain(folder)
            position = try primary.position(ledger.name)
            return chain.position == position || position == .zero
        }
        guard position != .zero else { return }
        try expectConverged(ledger.name, primary, replica, isReplayed: chain.first == TXID(1))
    }
}
