import Harness
import POSIX

/// Many replicas come at once, to a primary that is busy.
enum Crowd {
    private static let size = 20

    static func gather(_ round: Round) throws {
        try NetworkScene.play(round, replicas: size, limit: .seconds(240), startsReplicas: false) { scene in
            try scene.finish(try scene.write(200, pause: 0))
            let writer = try scene.write(pause: 20)
            let start = MonotonicTime.now
            for replica in scene.cluster.replicas { try replica.start(until: .running) }
            for replica in scene.cluster.replicas { try replica.wait(for: .ready, within: .seconds(60)) }
            let seconds = (MonotonicTime.now - start).seconds
            try scene.stop(writer)
            try scene.expectSound(within: .seconds(60))
            let pid = try required(scene.primary.daemonPID, "the primary runs")
            say(
                "network: \(size) replicas ready after \(seconds) s; the primary has \(try ProcessFacts(of: pid))"
            )
            round.tally.add("crowds")
        }
    }
}
