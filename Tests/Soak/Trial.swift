import Harness
import POSIX

/// A kind of trouble that is brought about again and again, with a check after each time.
package struct Trial: Sendable {
    /// What `scripts/soak` calls it.
    package let name: String
    /// One line for `scripts/soak --help`.
    package let summary: String
    /// Brings the trouble about once and checks what came of it.
    ///
    /// A round makes everything that it needs and leaves nothing behind. It draws all that is random from `Round.random`, so
    /// that its seed repeats it. A trial whose point is duration goes on until `Round.deadline`.
    package let round: @Sendable (Round) throws -> Void

    package init(
        _ name: String,
        summary: String,
        round: @escaping @Sendable (Round) throws -> Void
    ) {
        self.name = name
        self.summary = summary
        self.round = round
    }
}

/// One round of a trial.
///
/// One thread.
package final class Round {
    /// Repeats this round: `scripts/soak NAME --seed SEED --rounds 1`.
    package let seed: UInt64
    /// Where all randomness of the round comes from.
    package var random: Seed.Sequence
    /// When a round that could go on for ever should end.
    package let deadline: MonotonicTime
    /// What was done, over all rounds.
    package let tally: Tally

    init(seed: UInt64, deadline: MonotonicTime, tally: Tally) {
        self.seed = seed
        random = Seed.Sequence(seed: seed)
        self.deadline = deadline
        self.tally = tally
    }
}
