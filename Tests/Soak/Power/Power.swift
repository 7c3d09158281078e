import Harness
import POSIX
import PowerLoss

extension Trial {
    /// Power fails.
    package static let power = Trial(
        "power",
        summary:
            "power fails at any moment of a recorded run: what was synced is there, of the rest any part; promises hold"
    ) { round in
        let recording = try PowerRecording(round)
        round.tally.add("recorded calls", recording.primary.records.count + recording.replica.records.count)
        try withNodes(limit: .seconds(600), isStarted: false) { settings in
            settings.useOwnDisk()
        } _: { cluster in
            let disks = try cluster.nodes.map { try $0.makeDisk() }
            defer { for disk in disks { disk.remove() } }
            var crash = PowerCrash(recording, cluster)
            let cuts = (0..<8).map { _ in PowerCut(recording, &round.random) }.sorted { $0.time < $1.time }
            for cut in cuts {
                do {
                    try crash.happen(cut, round)
                } catch {
                    throw Finding("\(cut): \(error)")
                }
            }
            for node in cluster.nodes { try node.stop() }
        }
    }
}
