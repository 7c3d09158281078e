import Testing

/// Thousands of random operations; a seed that fails can be put in the place of the random one.
@Suite(.serialized)
struct RandomWorkloadTests {
    private let seed: UInt64

    init() {
        seed = .random(in: 0 ... .max)
        print("seed \(seed)")
    }

    @Test(arguments: [512, 1024, 4096, 65536])
    func `What is captured of random transactions is what a reader sees`(pageSize: Int) throws {
        try RandomWorkload(seed: seed, pageSize: pageSize).run(operations: pageSize > 4096 ? 150 : 800)
    }

    @Test
    func `Padding changes nothing`() throws {
        try RandomWorkload(seed: seed, pageSize: 1024, parameters: "psow=0").run(operations: 400)
    }

    @Test(arguments: [1024, 4096])
    func `Commits that fail after they were captured are withdrawn`(pageSize: Int) throws {
        var workload = RandomWorkload(seed: seed, pageSize: pageSize)
        workload.failures = true
        let primary = try workload.run(operations: 800)
        #expect(primary.follower.seen[.withdrawal, default: 0] > 3)
    }

    @Test(arguments: [1024, 4096])
    func `Rollback journals of all kinds give the same`(pageSize: Int) throws {
        var workload = RandomWorkload(seed: seed, pageSize: pageSize)
        workload.modes = ["delete", "truncate", "persist"]
        let primary = try workload.run(operations: 500)
        #expect(primary.follower.journalCommits > 100)
        #expect(primary.follower.seen[.unchangedJournal, default: 0] > 0)
        #expect(primary.follower.logCommits == 0)
    }

    @Test
    func `A database that changes between log and rollback journal loses nothing`() throws {
        var workload = RandomWorkload(seed: seed, pageSize: 4096)
        workload.modes = ["wal", "delete", "truncate", "persist"]
        let primary = try workload.run(operations: 800)
        #expect(primary.follower.journalCommits > 0)
        #expect(primary.follower.logCommits > 0)
    }
}
