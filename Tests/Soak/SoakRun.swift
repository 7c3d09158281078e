import Glibc
import Harness
import POSIX

/// Rounds of one trial until a time or number is reached.
package struct SoakRun {
    /// The trial.
    package var trial: Trial
    /// Seed of the first round; the next ones follow from it.
    package var seed: UInt64
    /// How long rounds are begun.
    package var duration: Duration
    /// How many rounds there are at most.
    package var rounds = Int.max
    /// After so many findings the run ends.
    package var findingBound = 5

    package init(_ trial: Trial, seed: UInt64, duration: Duration, rounds: Int = .max) {
        self.trial = trial
        self.seed = seed
        self.duration = duration
        self.rounds = rounds
    }

    /// What a run came to.
    package struct Outcome: Sendable {
        /// What was done.
        package var counts: String
        /// What was found, each with the seed that repeats it.
        package var findings: [String]
    }

    /// Carries the rounds out, says what they do, and ends with one line of counts.
    package func run() -> Outcome {
        let start = MonotonicTime.now
        let deadline = start + duration
        let tally = Tally()
        var findings: [String] = []
        var seed = seed
        say("soak \(trial.name): seed \(seed), \(Int(duration.seconds)) s at most")
        repeat {
            let round = Round(seed: seed, deadline: deadline, tally: tally)
            do {
                try trial.round(round)
            } catch {
                findings.append("seed \(seed): \(error)")
                say("soak \(trial.name): FINDING with --seed \(seed) --rounds 1\n\(error)")
            }
            tally.add("rounds")
            var next = Seed.Sequence(seed: seed)
            seed = next.next() % 1_000_000_000
        } while .now < deadline && tally["rounds"] < rounds && findings.count < findingBound
        let seconds = Int((MonotonicTime.now - start).seconds)
        say(
            "soak \(trial.name): seed \(self.seed), \(seconds) s, \(tally.text), \(findings.count) findings"
        )
        return Outcome(counts: tally.text, findings: findings)
    }
}

/// Prints a line at once, also into a pipe.
package func say(_ line: String) {
    print(line)
    fflush(nil)
}
