import Faults
import Glibc
import Harness
import POSIX

// The primary dies while programs use it.
extension CrashScene {
    static let primaryScenes: [CrashScene] = [
        CrashScene(
            name: "write-ahead log",
            isPrimary: true,
            points: [
                .fileCreate, .databaseWrite, .databaseSync, .databaseTruncate, .walWrite, .walHeaderWrite,
                .walTruncate, .walUnlink, .walSync, .shmWrite, .shmTruncate, .shmUnlink, .commitCaptured,
                .ltxCreate, .ltxWrite, .ltxRename, .ltxLogSync,
            ],
            prepare: { try $0.make("a.db", "wal") },
            act: { stage in
                for session in 0..<3 {
                    let synchronous = session == 1 && stage.below(2) == 0 ? "NORMAL" : "FULL"
                    try stage.run("a.db") { script in
                        script.begin("wal", synchronous: synchronous)
                        script.add("PRAGMA wal_autocheckpoint=20;")
                        script.commit(12)
                        script.add("PRAGMA wal_checkpoint(RESTART);")
                        script.commit(2)
                        script.add("PRAGMA wal_checkpoint(TRUNCATE);")
                        if session == 1 { script.shrink() }
                        script.commit(3)
                    }
                }
            }
        ),
        CrashScene(
            name: "a sync of the records that fails",
            isPrimary: true,
            points: [.ltxRewrite, .ltxRewriteSync, .ltxRewriteRename],
            otherFaults: "ltx.log.sync=EIO@1",
            prepare: { try $0.make("a.db", "wal") },
            act: { stage in
                for _ in 0..<3 {
                    // The first time the log has to stay, and the checkpoint says so.
                    _ = try? stage.run("a.db") { script in
                        script.commit(5)
                        script.add("PRAGMA wal_checkpoint(TRUNCATE);")
                        script.commit(2)
                    }
                }
                try eventually("the log can go once the records are written again") {
                    let outcome: Void? = try? stage.run("a.db") { script in
                        script.commit(1)
                        script.add("PRAGMA wal_checkpoint(TRUNCATE);")
                    }
                    return outcome != nil || stage.hasDied
                }
            }
        ),
        CrashScene(
            name: "rollback journal",
            isPrimary: true,
            points: [
                .fileCreate, .databaseWrite, .databaseSync, .databaseTruncate, .journalWrite,
                .journalTruncate, .journalUnlink, .journalSync, .commitPublished, .ltxCreate, .ltxWrite,
                .ltxSync, .ltxRename, .ltxFolderSync, .namesSync,
            ],
            prepare: { try $0.make("a.db", "delete") },
            act: { stage in
                let modes = ["delete", "truncate", "persist"]
                let first = stage.below(3)
                for number in 0..<3 {
                    try stage.run("a.db") { script in
                        script.begin(modes[(first + number) % 3], synchronous: "EXTRA")
                        script.commit(6)
                        if number == 1 { script.shrink() }
                        script.add("BEGIN; DELETE FROM ledger WHERE n > 2; ROLLBACK;")
                        script.commit(2)
                    }
                }
                // The name of a database's first record is put on disk, too.
                try stage.run("new.db") { script in
                    script.begin(modes[first], synchronous: "EXTRA")
                    script.commit(2)
                }
            }
        ),
        CrashScene(
            name: "no journal",
            isPrimary: true,
            points: [.databaseWrite, .ltxCreate, .ltxWrite, .ltxRename],
            prepare: { try $0.make("off.db", "off") },
            act: { stage in
                stage.unprotected.insert("off.db")
                for _ in 0..<3 {
                    try stage.run("off.db") { script in
                        script.begin("off")
                        script.commit(4)
                    }
                    try waitForSamePosition("off.db", stage.primary, stage.replica)
                }
            }
        ),
        CrashScene(
            name: "export",
            isPrimary: true,
            points: [.snapshotCreate, .snapshotWrite],
            prepare: { stage in
                try stage.run("a.db") { script in
                    script.begin("wal")
                    script.commit(exactly: 24_000_000)
                }
                try waitForSamePosition("a.db", stage.primary, stage.replica)
            },
            act: { stage in
                let curl = try Program(
                    [
                        "curl", "-sS", "--limit-rate", "200k", "-o", "/dev/null",
                        stage.primary.url("/export?name=a.db"),
                    ],
                    output: stage.primary.settings.folder + "/curl"
                )
                defer { try? curl.kill() }
                pause(.milliseconds(200))
                try stage.run("a.db") { script in
                    script.add("PRAGMA wal_autocheckpoint=50;")
                    script.add("UPDATE ledger SET b = randomblob(24000000) WHERE n = 1;")
                    script.commit(5)
                }
            }
        ),
        CrashScene(
            name: "local files",
            isPrimary: true,
            points: [
                .localCreate, .localWrite, .localTruncate, .localSync, .localRename, .localUnlink,
            ],
            prepare: { try $0.make("a.db", "wal") },
            act: { stage in
                for name in ["one", "two", "three"] {
                    try stage.shell(
                        """
                        dd if=/dev/urandom of=\(name) bs=1000 count=20 conv=fsync 2>/dev/null; cp \(name) copy;
                        truncate -s 5000 \(name); mkdir -p folder; mv \(name) folder/\(name); mv copy other; rm other
                        """
                    )
                }
                stage.checks.append { stage in try stage.shell("ls -l . folder") }
            }
        ),
        CrashScene(
            name: "stop",
            isPrimary: true,
            points: [
                .checksumsDatabaseSync, .checksumsWrite, .checksumsSync, .checksumsRename,
                .checksumsFolderSync,
            ],
            prepare: { stage in
                try stage.make("a.db", "wal")
                try stage.make("b.db", "delete")
            },
            act: { try $0.stopFaulted() }
        ),
        CrashScene(
            name: "retention",
            isPrimary: true,
            points: [.ltxRemove],
            prepare: { try $0.make("a.db", "wal") },
            act: { stage in
                for _ in 0..<4 {
                    try stage.run("a.db") { $0.commit(3) }
                    pause(.milliseconds(500))
                }
            }
        ),
    ]
}

extension CrashStage {
    /// Ends the node in good order, unless it dies.
    func stopFaulted() throws {
        node.current?.send(SIGTERM)
        _ = try node.waitForExit()
    }
}
