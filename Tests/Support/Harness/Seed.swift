import Glibc

/// The random numbers of a run.
package enum Seed {
    /// The run's seed, printed once.
    package static let value: UInt64 = {
        let given = getenv("LITEFS_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
        let seed = given ?? UInt64.random(in: 0 ... .max)
        print("end-to-end tests: LITEFS_TEST_SEED=\(seed)")
        return seed
    }()

    /// The sequence of one test.
    package static func sequence(for test: String) -> Sequence {
        Sequence(seed: test.utf8.reduce(value) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
    }

    /// splitmix64.
    package struct Sequence: RandomNumberGenerator {
        private var state: UInt64

        package init(seed: UInt64) { state = seed }

        package mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }
}
