import Testing

/// Random statements on several connections, and a comparison after each transaction.
struct RandomWorkload {
    let seed: UInt64
    let pageSize: Int
    /// Whether writes and syncs of the log fail now and then.
    var failures = false
    var parameters = ""
    /// Journal modes that are switched between.
    var modes = ["wal"]

    @discardableResult
    func run(operations: Int) throws -> Primary {
        var random = Random(seed: seed)
        let vacuum = random.pick(["NONE", "FULL", "INCREMENTAL"])
        let setup = "PRAGMA auto_vacuum=\(vacuum); PRAGMA journal_mode=\(modes[0])"
        let primary = try Primary(pageSize: pageSize, setup: setup, parameters: parameters)
        var connections = try (0..<3).map { _ in try primary.connect() }
        for number in 0..<operations {
            let note = "seed \(seed), page size \(pageSize), operation \(number)"
            let connection = random.pick(connections)
            if random.once(in: 60) {
                try primary.reopen()
                connections = try (0..<3).map { _ in try primary.connect() }
                try primary.verify(note)
                continue
            }
            let commits = primary.follower.commits.count
            if random.once(in: 10) {
                primary.follower.resume(afterCommit: Int.random(in: 0...commits, using: &random))
            }
            let fails = failures && random.once(in: 8)
            if fails {
                if random.once(in: 2) {
                    try connection.run("PRAGMA synchronous=FULL")
                    primary.follower.syncsUntilFailure = Int.random(in: 1...2, using: &random)
                } else {
                    primary.follower.writesUntilFailure = Int.random(in: 1...12, using: &random)
                }
            }
            do {
                try step(connection, &random)
            } catch let failure as Connection.Failure {
                // Full, input/output error, locked, or aborted because of one of them.
                guard fails || [5, 6, 517].contains(failure.code) else { throw failure }
                if connection.isInTransaction { try connection.run("ROLLBACK") }
                if primary.follower.logCommits == primary.hookCalls + 1, primary.follower.unpublished == nil {
                    primary.follower.unpublished = primary.follower.commits.last
                }
            }
            primary.follower.syncsUntilFailure = -1
            primary.follower.writesUntilFailure = -1
            try primary.verify(note)
        }
        #expect(try primary.reader.run("PRAGMA integrity_check") == ["ok"])
        return primary
    }

    private func step(_ connection: Connection, _ random: inout Random) throws {
        switch Int.random(in: 0..<12, using: &random) {
        case 0:
            let kind = random.pick(["PASSIVE", "FULL", "RESTART", "TRUNCATE"])
            if modes == ["wal"] { try connection.run("PRAGMA wal_checkpoint(\(kind))") }
        case 1:
            let size = random.pick([1, 5, 10, 2000])
            try connection.run("PRAGMA cache_size=\(size); PRAGMA cache_spill=\(size)")
            try connection.run("PRAGMA synchronous=\(random.pick(["OFF", "NORMAL", "FULL"]))")
            try connection.run("PRAGMA journal_size_limit=\(random.pick([-1, 0, 30_000]))")
        case 2:
            try connection.run(
                random.pick(["VACUUM", "PRAGMA incremental_vacuum(3)", "DELETE FROM t WHERE a % 9 < 8"])
            )
        case 3:
            try connection.run(
                "CREATE TABLE IF NOT EXISTS u(b); INSERT INTO u VALUES (zeroblob(\(pageSize * 20)))"
            )
            try connection.run(
                random.pick([
                    "DROP TABLE u", "CREATE INDEX IF NOT EXISTS i ON t(c)", "DROP INDEX IF EXISTS i",
                ])
            )
        case 4 where modes.count > 1:
            try connection.run("PRAGMA journal_mode=\(random.pick(modes))")
        case 4...7:
            try connection.run(statement(&random))
        default:
            try connection.run("BEGIN IMMEDIATE")
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                if random.once(in: 4) {
                    try connection.run("SAVEPOINT s; \(statement(&random))")
                    try connection.run(
                        "\(statement(&random)); \(random.pick(["RELEASE s", "ROLLBACK TO s; RELEASE s"]))"
                    )
                } else {
                    try connection.run(statement(&random))
                }
            }
            try connection.run(random.once(in: 4) ? "ROLLBACK" : "COMMIT")
        }
    }

    private func statement(_ random: inout Random) -> String {
        let number = Int.random(in: 2...13, using: &random)
        let size = Int.random(in: 0...pageSize * 2, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0...1:
            return WALScenarioTests.insert(number, bytes: size)
        case 2:
            return "UPDATE t SET b = randomblob(\(size)), c = c + 1 WHERE a % \(number) = 1 AND a % 3 = 0"
        case 3:
            return "UPDATE t SET c = random() WHERE a % \(number) = 0"
        default:
            return "DELETE FROM t WHERE a % \(number) < 2"
        }
    }
}
