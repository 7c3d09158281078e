import Glibc
import Harness
import POSIX

/// The other end is there, and does nothing.
enum PeerFaults {
    /// Peers that ask for a stream and read nothing of it, and then vanish, with a word or without one.
    static func deafReplica(_ scene: NetworkScene) throws {
        let port = try scene.network.port(100)
        let pid = try required(scene.primary.daemonPID, "the primary runs")
        // What a primary needs for so much at all is not what the peers cost.
        for _ in 0..<2 { try scene.finish(try scene.writeMuch(megabytes: 8)) }
        for replica in scene.cluster.replicas {
            try waitForSamePosition(NetworkScene.database, scene.primary, replica)
        }
        let before = try ProcessFacts(of: pid).memory
        let peers = try MuteReplicas(4, in: port.namespace, to: scene.primary)
        defer { peers.end() }
        try scene.expectStreams(2 + peers.count, since: .now)
        for _ in 0..<3 { try scene.finish(try scene.writeMuch(megabytes: 8)) }
        let growth = try ProcessFacts(of: pid).memory - before
        // Each has a buffer for its connection and a batch of pages, not the 24 MB that it did not read.
        try check(
            growth < 24 << 20,
            "the primary grew by \(growth >> 10) KiB with \(peers.count) deaf replicas"
        )
        let name = "KiB of growth with deaf replicas, at most"
        scene.round.tally.add(name, max(0, growth >> 10 - scene.round.tally[name]))
        try check(try scene.streams() == 2 + peers.count, "a peer that lives and does not read is kept")
        let start = MonotonicTime.now
        try port.lose(.both, to: scene.primaryPort)
        try scene.expectStreams(2, since: start)
    }

    /// A replica's process is stopped and goes on later.
    static func stoppedReplica(_ scene: NetworkScene) throws {
        let process = try required(scene.direct.current, "the replica runs")
        try scene.whileReading(on: scene.proxied) {
            let writer = try scene.write(pause: 20)
            process.send(SIGSTOP)
            defer { process.send(SIGCONT) }
            pause(.milliseconds(Int64(200 + scene.round.random.next() % 8000)))
            try check(try NetworkScene.isConnected(scene.proxied), "the other replica is not affected")
            process.send(SIGCONT)
            try scene.stop(writer)
        }
        try waitForSamePosition(NetworkScene.database, scene.primary, scene.direct)
    }

    /// The primary's process is stopped and goes on later.
    static func stoppedPrimary(_ scene: NetworkScene) throws {
        let process = try required(scene.primary.current, "the primary runs")
        try scene.whileReading(on: scene.direct) {
            let writer = try scene.write(pause: 20)
            pause(.milliseconds(300))
            let start = MonotonicTime.now
            process.send(SIGSTOP)
            defer { process.send(SIGCONT) }
            for replica in scene.cluster.replicas { try scene.expectNotices(replica, since: start) }
            pause(.milliseconds(Int64(scene.round.random.next() % 6000)))
            let restored = MonotonicTime.now
            process.send(SIGCONT)
            for replica in scene.cluster.replicas { try scene.expectReconnects(replica, since: restored) }
            try scene.stop(writer)
        }
    }
}
