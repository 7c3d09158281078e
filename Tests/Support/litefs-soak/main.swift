import Glibc
import Harness
import POSIX
import Soak

// litefs-soak NAME [--minutes N] [--seed S] [--rounds N]: see scripts/soak.

func usage() -> Never {
    print("usage: scripts/soak NAME [--minutes N] [--seed S] [--rounds N]\n")
    for trial in Trial.all {
        print(
            "  \(trial.name)" + String(repeating: " ", count: max(1, 14 - trial.name.count)) + trial.summary
        )
    }
    exit(2)
}

var words = CommandLine.arguments.dropFirst()
guard let name = words.popFirst(), let trial = Trial.all.first(where: { $0.name == name }) else { usage() }
var run = SoakRun(trial, seed: .random(in: 0..<1_000_000_000), duration: .seconds(60))
while let flag = words.popFirst() {
    guard let text = words.popFirst(), let value = UInt64(text),
        value <= UInt64(Int32.max) || flag == "--seed"
    else { usage() }
    switch flag {
    case "--minutes": run.duration = .seconds(Int64(value) * 60)
    case "--seed": run.seed = value
    case "--rounds": run.rounds = Int(value)
    default: usage()
    }
}
exit(run.run().findings.isEmpty ? 0 : 1)
