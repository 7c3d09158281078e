import Faults
import Glibc
import Harness
import LTX
import POSIX

extension Trial {
    /// A node dies between two system calls, at each place in the code where that makes a difference.
    package static let crash = Trial(
        "crash",
        summary:
            "kills the primary or a replica at fault points in the code; nothing acknowledged is lost, all agree"
    ) { round in
        let points = FaultPoint.allCases
        let point = points[Int(round.random.next() % UInt64(points.count))]
        let scenes = CrashScene.reaching(point)
        guard !scenes.isEmpty else { throw Finding("expected: a scene that reaches \(point.rawValue)") }
        let scene = scenes[Int(round.random.next() % UInt64(scenes.count))]
        try Crash.once(scene, point, round)
    }
}

/// What the trial `crash` does.
package enum Crash {
    /// A node dies at a point of a scene, starts again, and everything is checked.
    static func once(_ scene: CrashScene, _ point: FaultPoint, _ round: Round) throws {
        let isTorn = point.rawValue.hasSuffix("write") && round.random.next() % 4 == 0
        let bound: UInt64 = manyHits.contains(point) ? 40 : 3
        let hit = round.random.next() % 2 == 0 ? 1 : 1 + round.random.next() % bound
        try once(scene, point, round, "\(point.rawValue)=\(isTorn ? "torn" : "kill")@\(hit)")
    }

    private static func once(
        _ scene: CrashScene,
        _ point: FaultPoint,
        _ round: Round,
        _ fault: String
    ) throws {
        say("crash: \(scene.name): \(fault)")
        do {
            let settings: (inout NodeSettings) -> Void = { configure(&$0, scene) }
            try withNodes(limit: .seconds(100), isStarted: false, configure: settings) {
                let stage = try CrashStage($0, isPrimary: scene.isPrimary, random: round.random)
                try scene.play(stage, faults: fault)
                if stage.hasDied, stage.node.current?.exit == .signal(SIGKILL) {
                    try check(
                        stage.node.runLog.contains("fault point \(point.rawValue)"),
                        "the fault is logged"
                    )
                    round.tally.add("crashes")
                } else {
                    round.tally.add("not reached")
                }
                try expectRecovered(stage)
                round.tally.add("acknowledged commits", stage.acknowledged.values.reduce(0) { $0 + $1.count })
            }
        } catch {
            throw Finding("\(scene.name), \(fault): \(error)")
        }
    }

    /// Kills a node at each point of a scene, at the first and at the second hit.
    package static func killEverywhere(inScene name: String, seed: UInt64) throws {
        let scene = try required(CrashScene.all.first { $0.name == name }, "the scene \(name)")
        for point in scene.points {
            for hit in 1...2 {
                let round = Round(seed: seed, deadline: .now + .seconds(600), tally: Tally())
                try once(scene, point, round, "\(point.rawValue)=kill@\(hit)")
            }
        }
    }

    private static let manyHits: Set<FaultPoint> = [
        .databaseWrite, .walWrite, .shmWrite, .journalWrite, .ltxWrite, .ltxCreate, .ltxRename,
        .commitCaptured, .applyFrameWrite, .applyIndexWrite, .applyIndexPublish, .checkpointDatabaseWrite,
        .checkpointIndexWrite, .snapshotWrite,
    ]

    private static func configure(_ settings: inout NodeSettings, _ scene: CrashScene) {
        if scene.points.contains(.fenceCopy) { settings.passthrough = "on" }
        guard scene.points == [.ltxRemove] else { return }
        settings.sections["data"] = ["retention: 300ms", "retention-monitor-interval: 100ms"]
    }

    /// Starts what does not run, and expects that nothing acknowledged is lost and that both nodes agree.
    private static func expectRecovered(_ stage: CrashStage) throws {
        // What was not reached must not be reached while we check: the faults end with the process.
        if !stage.hasDied { try stage.stopFaulted() }
        let recorded = try recordedTXIDs(stage.primary)
        for node in [stage.primary, stage.replica] where node.current?.exit != nil {
            node.removeDeadMount()
        }
        if stage.primary.current?.exit != nil { try stage.primary.start() }
        if stage.replica.current?.exit != nil { try stage.replica.start() }
        for check in stage.checks { try check(stage) }
        for (database, acknowledged) in stage.acknowledged.sorted(by: { $0.key < $1.key })
        where !stage.unprotected.contains(database) && !acknowledged.isEmpty {
            let state = try stage.primary.sqlite3(database, LedgerScript.check(acknowledged))
            try check(
                state == "1|1|1",
                "\(database) has \(acknowledged.count) acknowledged rows and balance: \(state)"
            )
        }
        for database in try databases(on: stage.primary) {
            if let txid = recorded[database] {
                let position = try stage.primary.position(database)
                try check(position.txid >= txid, "\(database) goes on behind \(txid): \(position)")
            }
            try expectAgreement(database, stage)
        }
        let names = try databases(on: stage.primary)
        try eventually("the replica shows what the primary shows: \(names)") {
            try databases(on: stage.replica) == names
        }
    }

    private static func expectAgreement(_ database: String, _ stage: CrashStage) throws {
        if stage.unprotected.contains(database),
            (try? stage.primary.sqlite3(database, "PRAGMA integrity_check;")) != "ok"
        {
            // Half a transaction is in the file, as SQLite documents for this mode; it is replicated as it is.
            try waitForSamePosition(database, stage.primary, stage.replica)
            try check(
                try stage.primary.export(database) == stage.replica.export(database),
                "exports of \(database) are equal"
            )
            return
        }
        try expectConverged(database, stage.primary, stage.replica, isReplayed: stage.isReplayed)
        // And it goes on.
        try stage.primary.sqlite3(
            database,
            "CREATE TABLE IF NOT EXISTS afterwards(x); INSERT INTO afterwards VALUES(1);"
        )
        try expectConverged(database, stage.primary, stage.replica, isReplayed: stage.isReplayed)
    }

    /// The databases that a mount shows.
    ///
    /// A file that is empty is none yet; any other with such a name must be one.
    private static func databases(on node: DaemonProcess) throws -> [String] {
        let names = try Set(Files.list(node.mount).map(\.name))
        let databases = names.filter { $0.hasSuffix(".db") }.sorted()
        for name in databases where !names.contains(name + "-pos") {
            let size = try Files.status(node.path(name)).size
            try check(size == 0, "\(name) with \(size) bytes on \(node.settings.name) is a database")
        }
        return databases.filter { names.contains($0 + "-pos") }
    }

    /// The last transaction in the LTX files of each database.
    private static func recordedTXIDs(_ node: DaemonProcess) throws -> [String: TXID] {
        var found: [String: TXID] = [:]
        let folder = node.settings.dataFolder + "/dbs"
        for entry in (try? Files.list(folder)) ?? [] {
            let names = (try? Files.list(folder + "/\(entry.name)/ltx")) ?? []
            found[entry.name] = names.compactMap { LTXFileName($0.name)?.maxTXID }.max()
        }
        return found
    }

    // MARK: - Which points are reached

    /// The names of all scenes.
    package static var sceneNames: [String] { CrashScene.all.map(\.name) }

    /// The points that no scene claims to reach.
    package static var unclaimedPoints: [String] {
        let claimed = Set(CrashScene.all.flatMap(\.points))
        return FaultPoint.allCases.filter { !claimed.contains($0) }.map(\.rawValue)
    }

    /// Plays a scene without any crash and gives the points that it claims to reach and does not.
    package static func missedPoints(ofScene name: String) throws -> [String] {
        let scene = try required(CrashScene.all.first { $0.name == name }, "the scene \(name)")
        let settings: (inout NodeSettings) -> Void = { settings in
            configure(&settings, scene)
            if scene.points.contains(.walWrite) { settings.passthrough = "off" }
        }
        return try withNodes(limit: .seconds(100), isStarted: false, configure: settings) {
            let stage = try CrashStage($0, isPrimary: scene.isPrimary, random: Seed.sequence(for: name))
            try scene.play(stage, faults: "*=note@1")
            let log = stage.node.runLog
            try expectRecovered(stage)
            return scene.points.map(\.rawValue).filter { !log.contains("fault point \($0):") }
        }
    }
}
