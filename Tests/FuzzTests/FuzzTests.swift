import Fuzz
import Harness
import Testing

/// Each fuzz target with its corpus and some thousand random inputs; `scripts/fuzz` goes on for as long as wanted.
///
/// LITEFS_TEST_SEED repeats a run.
@Suite struct FuzzTests {
    private static let count = 3000

    @Test(arguments: FuzzTarget.all.map(\.name))
    func `Real files, inputs that once showed a defect, and changed ones`(name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let seeds = try target.seeds() + target.corpus
        #expect(!seeds.isEmpty)
        for seed in seeds { try seed.withUnsafeBytes { try target.check($0) } }
        var random = Seed.sequence(for: "fuzz " + name)
        var mutation = Mutation(Seed.sequence(for: name))
        var pool = seeds
        for round in 0..<Self.count {
            let input = mutation.change(
                pool[Int(random.next() % UInt64(pool.count))],
                limit: target.maximumByteCount
            )
            do {
                try input.withUnsafeBytes { try target.check($0) }
            } catch {
                let hex = input.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                Issue.record("input \(round) of \(name), \(hex): \(error)")
                return
            }
            if pool.count < 200 { pool.append(input) }
        }
    }
}
