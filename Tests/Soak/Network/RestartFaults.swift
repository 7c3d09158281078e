import Harness
import POSIX

/// A node starts again while a replica is cut off from the primary.
enum RestartFaults {
    /// The primary ends, well or by a kill, and starts again.
    static func primary(_ scene: NetworkScene) throws {
        let isKilled = Bool.random(using: &scene.round.random)
        try scene.whileReading(on: scene.direct) {
            let writer = try scene.write(pause: 20)
            pause(.milliseconds(300))
            try scene.directPort.lose(.both, to: scene.primaryPort)
            pause(.milliseconds(Int64(scene.round.random.next() % 1000)))
            try scene.stop(writer)
            if isKilled { try scene.primary.kill() } else { try scene.primary.stop() }
            scene.round.tally.add(isKilled ? "kills of the primary" : "stops of the primary")
            try scene.primary.start()
            try scene.finish(try scene.write(20, pause: 0))
            try scene.expectNotices(scene.direct, since: .now)
            let restored = MonotonicTime.now
            try scene.directPort.recover(.both, to: scene.primaryPort)
            try scene.expectReconnects(scene.direct, since: restored)
        }
    }

    /// The replica is killed in the middle of transactions, and serves what it had before the primary can be reached again.
    static func replica(_ scene: NetworkScene) throws {
        let writer = try scene.write(pause: 20)
        pause(.milliseconds(Int64(scene.round.random.next() % 500)))
        try scene.directPort.cut()
        pause(.milliseconds(Int64(scene.round.random.next() % 200)))
        try scene.direct.kill()
        scene.round.tally.add("kills of a replica")
        try scene.direct.start(until: .mounted)
        try scene.whileReading(on: scene.direct) {
            pause(.milliseconds(Int64(scene.round.random.next() % 4000)))
            try check(!(try NetworkScene.isConnected(scene.direct)), "it is not connected")
            let restored = MonotonicTime.now
            try scene.directPort.connect()
            try scene.expectReconnects(scene.direct, since: restored)
            try scene.direct.wait(for: .ready)
        }
        try scene.stop(writer)
    }
}
