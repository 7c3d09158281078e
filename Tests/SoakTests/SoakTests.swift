import Harness
import Soak
import Testing

/// A few rounds of each trial.
///
/// LITEFS_TEST_SEED repeats a run.
@Suite(.serialized)
struct SoakTests {
    @Test(arguments: [
        (Trial.kills, 3), (Trial.takeover, 2), (Trial.crash, 6), (Trial.disk, 4), (Trial.power, 1),
        (Trial.differential, 1),
        (Trial.hostile, 1),
    ])
    func `Short soak`(trial: Trial, rounds: Int) throws { try soak(trial, rounds: rounds) }

    @Test(.enabled(if: NetworkNamespace.refusal == nil, "\(NetworkNamespace.refusal ?? "")"))
    func `Short soak of networks`() throws { try soak(.network, rounds: 1) }

    private func soak(_ trial: Trial, rounds: Int) throws {
        var random = Seed.sequence(for: trial.name)
        let seed = random.next() % 1_000_000_000
        let outcome = SoakRun(trial, seed: seed, duration: .seconds(60), rounds: rounds).run()
        #expect(outcome.findings.isEmpty, "\(outcome.findings.joined(separator: "\n"))")
    }

    @Test
    func `Short mixed load`() throws {
        var random = Seed.sequence(for: "mixed")
        let seed = random.next() % 1_000_000_000
        let outcome = SoakRun(.mixed, seed: seed, duration: .seconds(20), rounds: 1).run()
        #expect(outcome.findings.isEmpty, "\(outcome.findings.joined(separator: "\n"))")
    }

    @Test(arguments: ["replacing a database with a log", "start in the middle of a replacement"])
    func `A replacement is whole or has not happened, wherever the primary dies`(scene: String) throws {
        var random = Seed.sequence(for: scene)
        try Crash.killEverywhere(inScene: scene, seed: random.next())
    }

    @Test func `Each fault point is in a scene of the trial crash`() {
        #expect(Crash.unclaimedPoints.isEmpty)
    }

    @Test(arguments: Crash.sceneNames)
    func `A scene of the trial crash reaches its fault points`(scene: String) throws {
        let missed = try Crash.missedPoints(ofScene: scene)
        #expect(missed.isEmpty)
    }
}
