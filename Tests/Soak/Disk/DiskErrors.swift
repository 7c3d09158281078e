import Faults
import Harness
import JSON
import POSIX

extension Trial {
    /// A disk fails for a while: it is full, or gives errors.
    package static let disk = Trial(
        "disk",
        summary:
            "fills the disk of the primary or a replica, or lets it give errors; all goes on when that ends"
    ) { round in
        switch round.random.next() % 10 {
        case 0...2: try DiskErrors.primaryFails(round)
        case 3: try DiskErrors.replicaFails(round)
        case 4: try DiskNames.primaryFails(round)
        case 5: try DiskErrors.freshReplicaFails(round)
        case 6: try DiskSpace.primaryFills(round)
        case 7: try DiskErrors.replicaFails(round)
        case 8: try DiskErrors.exportFails(round)
        default: try DiskSpace.replicaFills(round)
        }
    }
}

/// What the trial `disk` does with errors at fault points.
enum DiskErrors {
    static let database = "disk.db"

    static func primaryFails(_ round: Round) throws {
        let fault = DiskFault(DiskFault.onPrimary, &round.random)
        let mode = fault.modes[Int(round.random.next() % UInt64(fault.modes.count))]
        say("disk: primary, \(mode): \(fault.text)")
        try reporting("primary, \(mode): \(fault.text)") {
            try withNodes(limit: .seconds(100)) { cluster in
                let (primary, replica) = (cluster.primary, try cluster.replica)
                let writer = DiskWriter(database, on: primary, mode: mode, random: round.random)
                try writer.begin()
                writer.close()
                try waitForSamePosition(database, primary, replica)
                try restart(primary, fault)
                var hasFailed = false
                for _ in 0..<40 {
                    if !writer.step() { hasFailed = true }
                    if mode == "wal", !fault.keepsReadersOut { try expectReadable(primary) }
                }
                if writer.isDamaged { return try expectSameDamage(primary, replica, round) }
                try eventually("commits work when the fault is over: \(writer.failures.suffix(3))") {
                    (1...3).allSatisfy { _ in writer.commit(bytes: 500) }
                }
                let allowed = fault.codes(mode)
                try check(
                    writer.codes.keys.allSatisfy { allowed.contains($0) },
                    "the codes of \(fault.text) are \(allowed): \(writer.failures)"
                )
                try writer.expectAcknowledged()
                // Who opens the database meets a fault that programs which have it open did not come to.
                if fault.keepsReadersOut { for _ in 0..<fault.last { try? expectReadable(primary) } }
                try expectConverged(database, primary, replica)
                try expectNoFault(primary)
                note(fault, primary, hasFailed, round)
                round.tally.add("acknowledged commits", writer.acknowledged.count)
            }
        }
    }

    static func replicaFails(_ round: Round) throws {
        let fault = DiskFault(DiskFault.onReplica, &round.random)
        let mode = ["wal", "delete"][Int(round.random.next() % 2)]
        say("disk: replica, \(mode): \(fault.text)")
        try reporting("replica, \(mode): \(fault.text)") {
            try withNodes(limit: .seconds(100)) { cluster in
                let (primary, replica) = (cluster.primary, try cluster.replica)
                let writer = DiskWriter(database, on: primary, mode: mode, random: round.random)
                try writer.begin()
                try waitForSamePosition(database, primary, replica)
                try restart(replica, fault)
                for number in 0..<30 {
                    try check(writer.step(bytes: number % 10 == 0 ? 6_000_000 : 50_000), "the primary works")
                    try expectReadable(replica)
                }
                writer.close()
                try expectArrival(primary, replica)
                try expectConverged(database, primary, replica, within: .seconds(30))
                // Its log is copied back, too.
                try eventually("the log of the replica is copied back", within: .seconds(20)) {
                    try check(writer.commit(bytes: 100), "the primary works")
                    pause(.milliseconds(1100))
                    return !replica.runLog.contains("cannot be copied back")
                        || replica.runLog.contains("can be copied back again")
                }
                writer.close()
                try expectConverged(database, primary, replica)
                try expectNoFault(replica)
                note(fault, replica, true, round)
            }
        }
    }

    static func freshReplicaFails(_ round: Round) throws {
        let fault = DiskFault(DiskFault.onFreshReplica, &round.random)
        say("disk: fresh replica: \(fault.text)")
        try reporting("fresh replica: \(fault.text)") {
            try withNodes(limit: .seconds(100), isStarted: false) { cluster in
                let (primary, replica) = (cluster.primary, try cluster.replica)
                try primary.start()
                let writer = DiskWriter(database, on: primary, mode: "wal", random: round.random)
                try writer.begin()
                for _ in 0..<5 { _ = writer.commit(bytes: 100_000) }
                writer.close()
                try replica.start(until: .mounted, environment: [FaultPlan.variable: fault.text])
                try expectArrival(primary, replica)
                try expectConverged(database, primary, replica, within: .seconds(40))
                try expectNoFault(replica)
                note(fault, replica, true, round)
            }
        }
    }

    /// Pages cannot be kept for a snapshot: its reader fails, and nobody else does.
    static func exportFails(_ round: Round) throws {
        let fault = DiskFault([.snapshotCreate, .snapshotWrite], &round.random)
        say("disk: export: \(fault.text)")
        try reporting("export: \(fault.text)") {
            let scene = try required(CrashScene.reaching(.snapshotWrite).first, "a scene with an export")
            try withNodes(limit: .seconds(100), isStarted: false) { cluster in
                let stage = try CrashStage(cluster, isPrimary: true, random: round.random)
                try scene.play(stage, faults: "\(fault.point.rawValue)=\(fault.action)@1")
                try check(!stage.hasDied, "the primary lives")
                try expectConverged("a.db", stage.primary, stage.replica)
                try expectNoFault(stage.primary)
                note(fault, stage.primary, true, round)
            }
        }
    }

    // MARK: - Parts

    static func restart(_ node: DaemonProcess, _ fault: DiskFault) throws {
        try node.stop()
        try node.start(environment: [FaultPlan.variable: fault.text])
    }

    static func note(_ fault: DiskFault, _ node: DaemonProcess, _ hasFailed: Bool, _ round: Round) {
        let isReached = node.runLog.contains("fault point \(fault.point.rawValue)")
        round.tally.add(isReached ? "faults" : "not reached")
        if isReached, hasFailed { round.tally.add("seen by SQLite or the replica") }
    }

    static func expectReadable(_ node: DaemonProcess) throws {
        let count = try node.sqlite3(database, "SELECT count(*) >= 0 FROM ledger;")
        try check(count == "1", "\(node.settings.name) can be read: \(count)")
    }

    /// Waits until a replica has the primary's position; as long as it has not, it must say why.
    static func expectArrival(_ primary: DaemonProcess, _ replica: DaemonProcess) throws {
        let start = MonotonicTime.now
        var silence: MonotonicTime?
        while true {
            if try primary.position(database) == (try? replica.position(database)) { return }
            let faults = reasons(replica)
            silence = faults.isEmpty ? silence ?? .now : nil
            if let silence, MonotonicTime.now - silence > .seconds(8) {
                throw Finding(
                    "expected: a replica that is behind says why; log:\n\(replica.runLog.suffix(1500))"
                )
            }
            guard MonotonicTime.now - start < .seconds(45) else {
                throw Finding("expected: the replica gets there after the fault: \(faults)")
            }
            pause(.milliseconds(50))
        }
    }

    /// Expects that a database which SQLite damaged is the same, damaged as it is, on both nodes.
    static func expectSameDamage(
        _ primary: DaemonProcess,
        _ replica: DaemonProcess,
        _ round: Round
    ) throws {
        round.tally.add("damaged for want of a journal")
        let file = primary.settings.dataFolder + "/dbs/\(database)/database"
        try eventually("both nodes have what is in the file") {
            let content = try primary.export(database)
            return try content == replica.export(database)
                && databaseChecksum(content) == primary.position(database).postApply
                && Files.read(file, limit: 1 << 30).starts(with: content)
        }
    }

    /// What `/info` says is wrong.
    static func reasons(_ node: DaemonProcess) -> [String] {
        guard let info = try? node.info() else { return ["no answer"] }
        var found: [String] = []
        if let error = info["connectionError"]?.string { found.append(error) }
        guard case .array(let databases) = info["databases"] else { return found }
        for facts in databases {
            guard case .array(let faults) = facts["faults"] else { continue }
            found += faults.map { $0.string ?? "" }
        }
        return found
    }

    static func expectNoFault(_ node: DaemonProcess) throws {
        try eventually("/info of \(node.settings.name) has no fault: \(reasons(node))") {
            reasons(node).isEmpty
        }
    }

    static func reporting(_ what: String, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            throw Finding("\(what): \(error)")
        }
    }
}
