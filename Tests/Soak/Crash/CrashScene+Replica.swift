import Faults
import Harness
import POSIX

// The replica dies.
extension CrashScene {
    static let replicaScenes: [CrashScene] = [
        CrashScene(
            name: "apply",
            isPrimary: false,
            points: [
                .receivedCreate, .receivedWrite, .receivedRename, .applyFrameWrite, .applyHeaderWrite,
                .applyHeaderSync, .applyIndexGrow, .applyIndexWrite, .applyIndexPublish, .checkpointLogSync,
                .checkpointDatabaseWrite, .checkpointDatabaseTruncate, .checkpointDatabaseSync,
                .checkpointIndexWrite, .databaseWrite, .databaseSync, .databaseTruncate, .walWrite,
                .walSync, .shmWrite,
            ],
            prepare: { try $0.make("a.db", "wal", pageSize: 512) },
            act: { stage in
                for _ in 0..<3 {
                    try stage.run("a.db") { script in
                        script.commit(4)
                        script.commit(exactly: 2_300_000)
                        script.commit(4)
                        script.shrink()
                    }
                    try waitForSamePosition("a.db", stage.primary, stage.replica, within: .seconds(6))
                    pause(.milliseconds(1100))
                }
            }
        ),
        CrashScene(
            name: "apply with errors",
            isPrimary: false,
            points: [.applyRevokeWrite, .checkpointLogRewrite],
            otherFaults: "apply.index.publish=EIO@4-5,checkpoint.log.sync=EIO@1",
            prepare: { try $0.make("a.db", "delete") },
            act: { stage in
                for _ in 0..<3 {
                    try stage.run("a.db") { $0.commit(2) }
                    try waitForSamePosition("a.db", stage.primary, stage.replica, within: .seconds(6))
                }
                try eventually("the log is copied back") {
                    stage.node.runLog.contains("can be copied back again") || stage.hasDied
                }
            }
        ),
        CrashScene(
            name: "first content",
            isPrimary: false,
            points: [
                .clusterIDWrite, .clusterIDSync, .clusterIDRename, .clusterIDFolderSync, .namesFolderCreate,
                .receivedCreate, .receivedWrite, .receivedRename, .receivedUnlink, .installUnlink,
                .installCreate, .installWrite, .installTruncate, .installSync, .installIndexWrite,
                .installRename, .installed, .applyOpen,
            ],
            prepare: { stage in
                try stage.make("a.db", "wal", commits: 8)
                try stage.make("b.db", "delete")
            },
            between: { try Files.removeTree($0.replica.settings.dataFolder) },
            act: { stage in
                try stage.run("a.db") { $0.commit(3) }
                for name in ["a.db", "b.db"] {
                    try waitForSamePosition(name, stage.primary, stage.replica, within: .seconds(6))
                }
            }
        ),
        CrashScene(
            name: "a snapshot over what is there",
            isPrimary: false,
            points: [.receivedRename, .receivedUnlink, .applyFrameWrite, .applyIndexPublish],
            ending: .kill,
            prepare: { try $0.make("a.db", "wal", commits: 8) },
            between: { stage in
                // Page 1 of the replica's file is not what it was: its content has no known position.
                let path = stage.replica.settings.dataFolder + "/dbs/a.db/database"
                try FileDescriptor.open(path, .readWrite).write(Array(repeating: 7, count: 8), at: 64)
                try Files.unlink(stage.replica.settings.dataFolder + "/dbs/a.db/wal", ifExists: true)
            },
            act: { stage in
                try stage.run("a.db") { $0.commit(3) }
                try waitForSamePosition("a.db", stage.primary, stage.replica, within: .seconds(6))
            }
        ),
        CrashScene(
            name: "removal on the replica",
            isPrimary: false,
            points: [.receivedRename, .installUnlink],
            prepare: { stage in
                try stage.make("a.db", "wal")
                try stage.make("gone.db", "delete", commits: 2)
            },
            act: { stage in
                stage.forget("gone.db")
                try stage.shell("rm gone.db")
                stage.checks.append { stage in
                    try eventually("gone.db is gone on the replica") {
                        !Files.exists(stage.replica.path("gone.db"))
                    }
                }
                try eventually("gone.db is gone on the replica", within: .seconds(6)) {
                    !stage.hasDied && !Files.exists(stage.replica.path("gone.db"))
                }
            }
        ),
        CrashScene(
            name: "stop of the replica",
            isPrimary: false,
            points: [
                .checksumsDatabaseSync, .checksumsLogSync, .checksumsWrite, .checksumsSync, .checksumsRename,
                .checksumsFolderSync,
            ],
            prepare: { try $0.make("a.db", "wal") },
            act: { try $0.stopFaulted() }
        ),
    ]
}
