import Harness
import POSIX

/// The way between the primary and a replica is gone for a while.
enum LinkFaults {
    /// What is committed while it happens.
    private enum Load: CaseIterable {
        /// Nothing, so that only heartbeats can tell.
        case none
        /// Small and large transactions, one after the other.
        case steady
        /// One large transaction, in the middle of which the way goes.
        case large
    }

    /// The cable of the replica, or of the primary, is pulled.
    static func cable(_ scene: NetworkScene) throws {
        let isPrimary = Bool.random(using: &scene.round.random)
        let port = isPrimary ? scene.primaryPort : scene.directPort
        try outage(scene, affectsAll: isPrimary) {
            try port.cut()
        } end: {
            try port.connect()
        }
    }

    /// Packets are lost, in both directions or in one.
    static func loss(_ scene: NetworkScene) throws {
        let loss = NetworkPort.Loss.allCases.randomElement(using: &scene.round.random) ?? .both
        scene.round.tally.add("loss of \(loss)")
        try outage(scene, affectsAll: false) {
            try scene.directPort.lose(loss, to: scene.primaryPort)
        } end: {
            try scene.directPort.recover(loss, to: scene.primaryPort)
        }
    }

    private static func outage(
        _ scene: NetworkScene,
        affectsAll: Bool,
        begin: () throws -> Void,
        end: () throws -> Void
    ) throws {
        let load = Load.allCases.randomElement(using: &scene.round.random) ?? .none
        let isLong = scene.round.random.next() % 3 != 0
        let replica = scene.direct
        try scene.whileReading(on: replica) {
            let writer: Program? =
                switch load {
                case .none: nil
                case .steady: try scene.write(pause: 20)
                case .large: try scene.writeMuch(megabytes: 8)
                }
            pause(.milliseconds(Int64(scene.round.random.next() % 300)))
            let start = MonotonicTime.now
            try begin()
            if isLong {
                try scene.expectNotices(replica, since: start)
                try scene.expectStreams(affectsAll ? 0 : 1, since: start)
                if scene.round.random.next() % 4 == 0 { pause(.seconds(8)) }
            } else {
                pause(.milliseconds(Int64(50 + scene.round.random.next() % 2500)))
            }
            let restored = MonotonicTime.now
            try end()
            if isLong { try scene.expectReconnects(replica, since: restored) }
            scene.round.tally.add(isLong ? "long outages" : "short outages")
            if let writer {
                if load == .large { try scene.finish(writer) } else { try scene.stop(writer) }
            }
        }
    }
}
