import Glibc
import Testing

/// Thousands of random operations; the seed of a run that failed can be given as `CAPTURE_SEED`.
@Suite(.serialized)
struct RandomWorkloadTests {
    private let seed: UInt64

    init() {
        seed = getenv("CAPTURE_SEED").flatMap { UInt64(String(cString: $0)) } ?? .random(in: 0 ... .max)
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

    /// Seeds in which a transaction does no more than repeat the frame before.
    @Test(arguments: [11_467_718_109_368_174_161, 2_754_295_624_329_741_058] as [UInt64])
    func `Commits that change nothing are no transactions, also among those that fail`(seed: UInt64) throws {
        var workload = RandomWorkload(seed: seed, pageSize: 1024)
        workload.failures = true
        let primary = try workload.run(operations: 800)
        #expect(primary.repetitions > 0)
    }

    @Test(arguments: [1024, 4096])
    func `Rollback journals of all kinds give the same`(pageSize: Int) throws {
        func follower(_ seed: UInt64) throws -> Follower {
            var workload = RandomWorkload(seed: seed, pageSize: pageSize)
            workload.modes = ["delete", "truncate", "persist"]
            return try workload.run(operations: 500).follower
        }
        let first = try follower(seed)
        #expect(first.journalCommits > 100)
        #expect(first.logCommits == 0)
        // Not every seed has a journal that ends without a change.
        var unchanged = first.seen[.unchangedJournal, default: 0]
        for next in 1...20 where unchanged == 0 {
            unchanged = try follower(seed &+ UInt64(next)).seen[.unchangedJournal, default: 0]
        }
        #expect(unchanged > 0)
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
