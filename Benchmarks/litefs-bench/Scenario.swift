/// One thing to measure.
struct Scenario: Sendable {
    /// How the command line calls it.
    let name: String
    /// The database that it makes; removed when it has ended.
    let database: String
    /// Whether it asks more of litefs than to be a folder.
    var needsNodes = true
    let run: @Sendable (_ cluster: Cluster, _ options: Options) throws -> [Measurement]

    /// All scenarios.
    ///
    /// Those that need the primary alone come first; from the first one with a replica on, it stays.
    static let all = [
        Scenario(name: "wal-commits", database: "commits.db", needsNodes: false, run: walCommits),
        Scenario(name: "wal-commits-4", database: "four.db", needsNodes: false, run: fourWriters),
        Scenario(name: "wal-full-commits", database: "full.db", needsNodes: false, run: fullCommits),
        Scenario(name: "delete-commits", database: "delete.db", needsNodes: false, run: deleteCommits),
        Scenario(name: "bulk-insert", database: "bulk.db", needsNodes: false, run: bulkInsert),
        Scenario(name: "bulk-load", database: "load.db", run: bulkLoad),
        Scenario(name: "point-selects", database: "points.db", needsNodes: false, run: pointSelects),
        Scenario(name: "scans", database: "scan.db", needsNodes: false, run: scans),
        Scenario(name: "sizes", database: "size.db", needsNodes: false, run: sizes),
        Scenario(name: "commit-latency", database: "tail.db", run: commitLatency),
        Scenario(name: "wal-commits-replicated", database: "commits.db", run: replicatedWALCommits),
        Scenario(name: "processor", database: "processor.db", run: processor),
        Scenario(name: "burst", database: "burst.db", run: burst),
        Scenario(name: "latency", database: "latency.db", run: latency),
        Scenario(name: "fresh-replica", database: "fresh.db", run: freshReplica),
        Scenario(name: "memory", database: "memory.db", run: memory),
        Scenario(name: "catch-up", database: "catchup.db", run: catchUp),
        Scenario(name: "resync", database: "resync.db", run: resync),
        Scenario(name: "restart", database: "restart.db", run: restart),
    ]
}

/// A scenario that cannot be measured on this machine.
struct NotMeasurable: Error {
    let reason: String
}
