import Harness
import POSIX

/// What stands between a replica and its primary does not do what it should.
enum ProxyFaults {
    /// Connections end after some bytes, most of them in the middle of a large transaction.
    static func cutInFrame(_ scene: NetworkScene) throws {
        let cuts = cuts(3 + Int(scene.round.random.next() % 5), scene)
        try scene.whileReading(on: scene.proxied) {
            scene.proxy.cut(cuts)
            let enough = MonotonicTime.now + .seconds(12)
            repeat {
                let megabytes = 2 + Int(scene.round.random.next() % 6)
                try scene.finish(try scene.writeMuch(megabytes: megabytes))
            } while scene.proxy.plannedCuts > 0 && .now < enough
        }
        scene.round.tally.add("cut connections", cuts.count - scene.proxy.plannedCuts)
        // The last one may be further away than what is left to send.
        scene.proxy.cut([])
    }

    /// A replica without data begins, and the way ends again and again before it has everything.
    static func cutSnapshot(_ scene: NetworkScene) throws {
        try scene.finish(try scene.writeMuch(megabytes: 6))
        let replica = scene.proxied
        if Bool.random(using: &scene.round.random) { try replica.kill() } else { try replica.stop() }
        replica.removeDeadMount()
        try Files.removeTree(replica.settings.dataFolder)
        let cuts = cuts(2 + Int(scene.round.random.next() % 4), scene)
        scene.proxy.cut(cuts)
        let writer = try scene.write(pause: 20)
        try replica.start()
        scene.round.tally.add("cut connections of a new replica", cuts.count - scene.proxy.plannedCuts)
        scene.proxy.cut([])
        try scene.stop(writer)
    }

    private static func cuts(_ count: Int, _ scene: NetworkScene) -> [StreamProxy.Cut] {
        (0..<count)
            .map { _ in
                // The request is short; it is cut more seldom, and its header and body are hit alike.
                let isAnswer = scene.round.random.next() % 4 != 0
                let bound = isAnswer ? UInt64(1) << (scene.round.random.next() % 23) : 150
                return StreamProxy.Cut(
                    isAnswer: isAnswer,
                    bytes: Int(scene.round.random.next() % bound),
                    isReset: Bool.random(using: &scene.round.random)
                )
            }
    }

    /// The replica takes some kilobytes each second; nobody else notices.
    static func slowReader(_ scene: NetworkScene) throws {
        let piece = 1 + Int(scene.round.random.next() % 1024)
        try slow(scene, StreamProxy.Pace(piece: piece, rest: .milliseconds(50)))
    }

    /// What the primary says comes a few bytes at a time.
    static func slowPrimary(_ scene: NetworkScene) throws {
        let piece = 1 + Int(scene.round.random.next() % 40)
        try slow(scene, StreamProxy.Pace(piece: piece, rest: .milliseconds(1)))
    }

    private static func slow(_ scene: NetworkScene, _ pace: StreamProxy.Pace) throws {
        try scene.whileReading(on: scene.proxied) {
            scene.proxy.slow(pace)
            let start = MonotonicTime.now
            try scene.expectReconnects(scene.proxied, since: start)
            let writer = try scene.write(pause: 20)
            pause(.milliseconds(Int64(1500 + scene.round.random.next() % 4000)))
            try scene.stop(writer)
            try waitForSamePosition(NetworkScene.database, scene.primary, scene.direct, within: .seconds(5))
            try check(try NetworkScene.isConnected(scene.proxied), "a slow stream is not given up")
            scene.proxy.slow(nil)
        }
    }

    /// Nobody listens where the primary should be.
    static func refusal(_ scene: NetworkScene) throws {
        try scene.whileReading(on: scene.proxied) {
            let writer = try scene.write(pause: 20)
            let start = MonotonicTime.now
            scene.proxy.refuse()
            try scene.expectNotices(scene.proxied, since: start)
            try scene.expectStreams(1, since: start)
            pause(.milliseconds(Int64(scene.round.random.next() % 10_000)))
            let restored = MonotonicTime.now
            try scene.proxy.accept()
            try scene.expectReconnects(scene.proxied, since: restored)
            try scene.stop(writer)
        }
    }
}
