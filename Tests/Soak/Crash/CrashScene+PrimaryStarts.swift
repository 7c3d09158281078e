import Faults
import Glibc
import Harness
import LTX
import POSIX

// The primary dies while it starts.
extension CrashScene {
    static let primaryStarts: [CrashScene] = [
        CrashScene(
            name: "start with commits that are not recorded",
            isPrimary: true,
            points: [.recoveryIndexUnlink, .ltxCreate, .ltxWrite, .ltxRename, .recoveryTemporariesUnlink],
            ending: .kill,
            prepare: { stage in
                try stage.make("a.db", "wal")
                try stage.primary.stop()
                // Of the first commits a record is begun, of the others not even that.
                try stage.primary.start(environment: [
                    FaultPlan.variable: "ltx.rename=kill@1"
                ])
                let holder = try stage.hold("a.db")
                defer { try? holder.kill() }
                _ = try? stage.run("a.db") { script in
                    script.begin("wal")
                    script.commit(8)
                }
            }
        ),
        CrashScene(
            name: "start while a program of the last mount still has the log",
            isPrimary: true,
            points: [.fenceRename, .fenceCopy, .fencePublish],
            ending: .kill,
            prepare: { stage in
                try stage.make("a.db", "wal")
                let holder = try stage.hold("a.db")
                stage.checks.append { _ in try holder.kill() }
                try stage.run("a.db") { $0.commit(5) }
            }
        ),
        CrashScene(
            name: "start with an unfinished record",
            isPrimary: true,
            points: [.recoveryUnfinishedRename],
            ending: .kill,
            prepare: { stage in
                try stage.make("a.db", "delete")
                try stage.primary.stop()
                let hit = 1 + stage.below(4)
                try stage.primary.start(environment: [FaultPlan.variable: "ltx.rename=kill@\(hit)"])
                _ = try? stage.run("a.db") { script in
                    script.begin("delete")
                    script.commit(6)
                }
            }
        ),
        CrashScene(
            name: "start in the middle of a replacement",
            isPrimary: true,
            points: [.recoveryReplacementRename],
            ending: .kill,
            prepare: { stage in
                try stage.make("a.db", "delete", commits: 4)
                try stage.sign("a.db")
                try stage.make("old.db", "wal", commits: 3)
                try stage.sign("old.db")
                try stage.primary.stop()
                let fault = ["names.replace.rename", "names.replace.aside"][stage.below(2)]
                try stage.primary.start(environment: [FaultPlan.variable: fault + "=kill@1"])
                try? stage.replaceUnderLog()
            }
        ),
        CrashScene(
            name: "start with a damaged record",
            isPrimary: true,
            points: [.recoveryDamagedRename],
            ending: .kill,
            prepare: { stage in
                try stage.make("a.db", "wal")
                try stage.make("b.db", "delete")
            },
            between: { stage in
                for database in ["a.db", "b.db"] {
                    let name = try stage.newestFile(database, of: stage.primary)
                    let path = stage.ltxFolder(database, of: stage.primary) + "/\(name)"
                    let file = try FileDescriptor.open(path, .readWrite)
                    try file.truncate(to: try file.status().size / 2)
                }
                // The replica has what is damaged here, and the files no longer lead from the first to the last.
                stage.isReplayed = false
            }
        ),
        CrashScene(
            name: "start after a stop",
            isPrimary: true,
            points: [.recoveryChecksumsUnlink, .recoveryChecksumsSync],
            prepare: { stage in
                try stage.make("a.db", "wal")
                try stage.make("b.db", "truncate")
            },
            act: { try $0.run("a.db") { $0.commit(2) } }
        ),
        CrashScene(
            name: "first start",
            isPrimary: true,
            points: [.clusterIDWrite, .clusterIDSync, .clusterIDRename, .clusterIDFolderSync],
            between: { stage in
                try stage.replica.stop()
                for node in stage.cluster.nodes { try Files.removeTree(node.settings.dataFolder) }
            },
            act: { stage in
                try stage.replica.start()
                try stage.make("a.db", "wal")
            }
        ),
    ]
}

extension CrashStage {
    /// Keeps a database open in a read transaction, so that its log stays.
    func hold(_ database: String) throws -> Program {
        let output = primary.settings.folder + "/holder-\(below(1_000_000))"
        let holder = try Program(
            [try Binary.path("workload"), "hold", primary.path(database), output + "-stop"],
            output: output
        )
        try eventually("somebody reads: \(holder.output)") { holder.output.contains("holding") }
        return holder
    }
}
