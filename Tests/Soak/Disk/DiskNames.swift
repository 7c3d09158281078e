import Faults
import Harness
import POSIX

/// What the trial `disk` does while databases come, go and change names.
enum DiskNames {
    static func primaryFails(_ round: Round) throws {
        let fault = DiskFault(DiskFault.onNames, &round.random)
        say("disk: names: \(fault.text)")
        try DiskErrors.reporting("names: \(fault.text)") {
            try withNodes(limit: .seconds(100)) { cluster in
                let (primary, replica) = (cluster.primary, try cluster.replica)
                let stage = try CrashStage(cluster, isPrimary: true, random: round.random)
                try stage.make("one.db", "persist", commits: 3)
                try stage.make("two.db", "wal", commits: 4)
                for name in ["one.db", "two.db"] { try stage.sign(name) }
                try DiskErrors.restart(primary, fault)
                for round in 0..<4 { try change(stage, round) }
                for (name, signature) in [("three.db", "two.db"), ("two.db", "one.db")] {
                    let acknowledged = stage.acknowledged[signature] ?? []
                    try stage.expectSigned(signature, acknowledged, under: [name])
                    try expectConverged(name, primary, replica)
                }
                try expectConverged("new.db", primary, replica)
                try check(!Files.exists(primary.path("one.db")), "one.db was renamed")
                try eventually("the replica has no one.db and no gone.db") {
                    !["one.db", "gone.db"].contains { Files.exists(replica.path($0)) }
                }
                try DiskErrors.expectNoFault(primary)
                DiskErrors.note(fault, primary, true, round)
            }
        }
    }

    /// Makes, renames and removes databases until each has worked.
    private static func change(_ stage: CrashStage, _ round: Int) throws {
        switch round {
        case 0:
            try persist("mv two.db three.db", stage) {
                try stage.expectSigned("two.db", [], under: ["two.db"])
            }
        case 1:
            try persist("mv one.db two.db", stage) { try stage.expectSigned("one.db", [], under: ["one.db"]) }
        case 2:
            try eventually("new.db is made") {
                (try? stage.primary.sqlite3(
                    "new.db",
                    "CREATE TABLE IF NOT EXISTS t(x); INSERT INTO t VALUES(1);"
                )) != nil
            }
        default:
            try eventually("gone.db is made") {
                (try? stage.primary.sqlite3(
                    "gone.db",
                    "CREATE TABLE IF NOT EXISTS t(x); INSERT INTO t VALUES(1);"
                )) != nil
            }
            try persist("rm -f gone.db", stage) {}
        }
    }

    /// Runs a command until it succeeds; after each failure all must be as before.
    private static func persist(_ command: String, _ stage: CrashStage, _ unchanged: () throws -> Void) throws
    {
        try eventually("\(command) succeeds") {
            do {
                try stage.shell(command)
                return true
            } catch {
                try unchanged()
                return false
            }
        }
    }
}
