import Faults
import Harness
import POSIX

// The replica dies while it starts.
extension CrashScene {
    static let replicaStarts: [CrashScene] = [
        CrashScene(
            name: "start of the replica with a record that was not applied",
            isPrimary: false,
            points: [.recoveryIndexUnlink, .recoveryIndexWrite, .ltxRemove, .applyOpen],
            ending: .kill,
            prepare: { stage in
                try stage.make("a.db", "wal")
                try stage.replica.stop()
                let action = stage.below(2) == 0 ? "kill" : "torn"
                try stage.replica.start(environment: [FaultPlan.variable: "apply.frame.write=\(action)@1"])
                try stage.run("a.db") { $0.commit(3) }
                _ = try stage.replica.waitForExit()
            },
            act: { stage in
                try stage.run("a.db") { $0.commit(2) }
                try waitForSamePosition("a.db", stage.primary, stage.replica, within: .seconds(6))
            }
        ),
        CrashScene(
            name: "start of a replica that was the primary",
            isPrimary: false,
            points: [.recoveryHeaderWrite, .recoveryAsideRename, .recoveryIndexWrite],
            prepare: { try $0.make("a.db", "delete") },
            between: { stage in
                let folder = stage.replica.settings.dataFolder + "/dbs/a.db/"
                try FileDescriptor.open(folder + "database", .readWrite).write([1, 1], at: 18)
                try Files.unlink(folder + "wal", ifExists: true)
                let magic: [UInt8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]
                try FileDescriptor.open(folder + "journal", [.readWrite, .create])
                    .write(magic + Array(repeating: 0, count: 504), at: 0)
            },
            act: { stage in
                try stage.run("a.db") { $0.commit(2) }
                try waitForSamePosition("a.db", stage.primary, stage.replica, within: .seconds(6))
            }
        ),
    ]
}
