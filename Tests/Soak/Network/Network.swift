import Harness
import POSIX

extension Trial {
    /// Networks between nodes fail in every way that a network can.
    package static let network = Trial(
        "network",
        summary:
            "cuts, black holes, slow and deaf peers, stopped nodes and twenty replicas; all come back, nobody waits for them"
    ) { round in
        switch round.random.next() % 8 {
        case 0: try Crowd.gather(round)
        case 1: try CommitLatency.measure(round)
        default: try NetworkFault.survive(round)
        }
    }
}

/// What happens to a network, to be survived.
enum NetworkFault: CaseIterable {
    case cable
    case loss
    case cutInFrame
    case slowReader
    case slowPrimary
    case deafReplica
    case stoppedReplica
    case stoppedPrimary
    case refusal
    case primaryRestart
    case replicaRestart
    case cutSnapshot

    /// How many of them happen in one round.
    private static let each = 2

    /// Some faults, one after the other, in one cluster.
    static func survive(_ round: Round) throws {
        try NetworkScene.play(round) { scene in
            try scene.finish(try scene.write(50, pause: 0))
            try scene.expectSound()
            for fault in allCases.shuffled(using: &round.random).prefix(each) {
                let start = MonotonicTime.now
                do {
                    let before = try scene.facts()
                    try fault.happen(scene)
                    try scene.expectSound()
                    try scene.expectNoLeaks(since: before)
                } catch {
                    throw Finding("\(fault): \(error)")
                }
                round.tally.add("\(fault)")
                say("network: \(fault) survived after \(Int((MonotonicTime.now - start).seconds * 1000)) ms")
            }
        }
    }

    private func happen(_ scene: NetworkScene) throws {
        switch self {
        case .cable: try LinkFaults.cable(scene)
        case .loss: try LinkFaults.loss(scene)
        case .primaryRestart: try RestartFaults.primary(scene)
        case .replicaRestart: try RestartFaults.replica(scene)
        case .cutInFrame: try ProxyFaults.cutInFrame(scene)
        case .cutSnapshot: try ProxyFaults.cutSnapshot(scene)
        case .slowReader: try ProxyFaults.slowReader(scene)
        case .slowPrimary: try ProxyFaults.slowPrimary(scene)
        case .refusal: try ProxyFaults.refusal(scene)
        case .deafReplica: try PeerFaults.deafReplica(scene)
        case .stoppedReplica: try PeerFaults.stoppedReplica(scene)
        case .stoppedPrimary: try PeerFaults.stoppedPrimary(scene)
        }
    }
}
