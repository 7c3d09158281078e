import Faults
import Harness
import POSIX

// The primary dies while databases come, go and change their names.
extension CrashScene {
    static let nameScenes: [CrashScene] = [
        CrashScene(
            name: "new databases",
            isPrimary: true,
            points: [.namesFolderCreate, .namesAdopt, .localCreate],
            act: { stage in
                for (number, mode) in ["wal", "delete", "persist"].enumerated() {
                    try stage.run("new\(number).db") { script in
                        script.begin(mode)
                        script.commit(3)
                    }
                }
                try stage.copyIn("copied.db")
            }
        ),
        CrashScene(
            name: "removal",
            isPrimary: true,
            points: [.namesDropUnlink, .namesRelease, .ltxCreate, .ltxRename],
            prepare: { stage in
                try stage.make("a.db", "wal")
                for number in 0..<3 { try stage.make("gone\(number).db", "persist", commits: 2) }
            },
            act: { stage in
                for number in 0..<3 {
                    let name = "gone\(number).db"
                    stage.forget(name)
                    try stage.shell("rm \(name)")
                    if number > 0 {
                        stage.checks.append {
                            try check(!Files.exists($0.primary.path(name)), "\(name) is gone")
                        }
                    }
                    try stage.shell("rm -f \(name)-journal")
                }
                try stage.run("gone0.db") { script in
                    script.begin("wal")
                    script.commit(2)
                }
            }
        ),
        CrashScene(
            name: "renaming",
            isPrimary: true,
            points: [.namesDropRename, .namesAdopt, .localRename],
            prepare: { stage in
                try stage.make("a.db", "persist", commits: 3)
                try stage.make("b.db", "delete", commits: 4)
                for name in ["a.db", "b.db"] { try stage.sign(name) }
                try waitForSamePosition("b.db", stage.primary, stage.replica)
            },
            act: { stage in
                let names = ["a.db", "b.db"].map { ($0, stage.acknowledged[$0] ?? []) }
                for (name, _) in names { stage.forget(name) }
                stage.checks.append { stage in
                    // The content of each is under one of the names that it had, and whole.
                    for (name, acknowledged) in names {
                        try stage.expectSigned(name, acknowledged, under: ["a.db", "b.db", "c.db"])
                    }
                }
                try stage.shell("mv a.db c.db")
                try stage.shell("mv b.db a.db")
                stage.checks.append { try check(!Files.exists($0.primary.path("b.db")), "b.db was renamed") }
            }
        ),
        CrashScene(
            name: "replacing",
            isPrimary: true,
            points: [.namesDropRename, .namesAdopt, .localRename],
            prepare: { stage in
                try stage.make("old.db", stage.below(2) == 0 ? "delete" : "wal", commits: 3)
                try stage.make("new.db", "delete", commits: 4)
                for name in ["old.db", "new.db"] { try stage.sign(name) }
            },
            act: { stage in
                let acknowledged = stage.acknowledged["new.db"] ?? []
                for name in ["old.db", "new.db"] { stage.forget(name) }
                stage.checks.append {
                    try $0.expectSigned("new.db", acknowledged, under: ["old.db", "new.db"])
                }
                try stage.shell("mv new.db old.db")
                stage.checks.append { try $0.expectSigned("new.db", acknowledged, under: ["old.db"]) }
            }
        ),
        CrashScene(
            name: "replacing a database with a log",
            isPrimary: true,
            points: [
                .namesAdopt, .namesReplaceSync, .namesReplaceAside, .namesReplaceRename, .namesReplaceUnlink,
                .localRename,
            ],
            prepare: { stage in
                try stage.make("a.db", "delete", commits: 4)
                try stage.sign("a.db")
                try stage.make("old.db", "wal", commits: 3)
                try stage.sign("old.db")
            },
            act: { try $0.replaceUnderLog() }
        ),
    ]
}

extension CrashStage {
    /// A staged copy of a.db takes the place of old.db, whose last commits are in its log alone.
    func replaceUnderLog() throws {
        try shell("cp a.db staged.tmp")
        let holder = try hold("old.db")
        checks.append { _ in try holder.kill() }
        try run("old.db") { $0.commit(4) }
        let (old, new) = (acknowledged["old.db"] ?? [], acknowledged["a.db"] ?? [])
        forget("old.db")
        checks.append { stage in
            // The old content with all that was committed, or the new one, and nothing between.
            let isNew = try stage.primary.sqlite3("old.db", "SELECT name FROM signature;") == "a.db"
            try stage.expectSigned(isNew ? "a.db" : "old.db", isNew ? new : old, under: ["old.db"])
            try check(isNew || Files.exists(stage.primary.path("staged.tmp")), "the copy is there")
        }
        try shell("mv staged.tmp old.db")
        checks.append { try $0.expectSigned("a.db", new, under: ["old.db"]) }
    }

    /// Copies a database onto the mount with a program that knows nothing of databases.
    func copyIn(_ name: String) throws {
        let source = primary.settings.folder + "/" + name
        var script = LedgerScript(after: 0, &random)
        script.begin("delete")
        script.commit(5, large: 30_000)
        let outcome = try Outcome.of(
            ["sqlite3", "-batch", source],
            input: script.text,
            in: primary.settings.folder
        )
        try check(outcome.exit == .code(0), "a database is made: \(outcome.errors)")
        unprotected.insert(name)
        try shell("cp \"\(source)\" \(name)")
    }

    /// Writes into a database which one it is.
    func sign(_ name: String) throws {
        try run(name) { $0.add("CREATE TABLE signature(name); INSERT INTO signature VALUES('\(name)');") }
    }

    /// Expects that what was signed with a name is found, whole, under one of several.
    func expectSigned(_ name: String, _ acknowledged: Set<Int>, under names: [String]) throws {
        var found: [String] = []
        for candidate in names where Files.exists(primary.path(candidate)) {
            let signature = try? primary.sqlite3(candidate, "SELECT name FROM signature;")
            found.append("\(candidate) is \(signature ?? "none")")
            guard signature == name else { continue }
            let state = try primary.sqlite3(candidate, LedgerScript.check(acknowledged))
            return try check(state == "1|1|1", "\(candidate), once \(name), is whole: \(state)")
        }
        throw Finding("expected: the content of \(name) under one of \(names); found: \(found)")
    }
}
