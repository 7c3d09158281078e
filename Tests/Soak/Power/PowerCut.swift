import Harness
import PowerLoss

/// A moment of a recording at which power fails, and what it does to whom.
struct PowerCut {
    /// Whose power fails.
    enum Victim: String {
        case primary
        case replica
        case both
    }

    let victim: Victim
    let survival: Survival
    /// Calls of the primary that were made.
    let primaryCount: Int
    /// Calls of the replica that were made.
    let replicaCount: Int
    /// The first moment at which something was not done any more.
    let time: Int64

    /// A moment: any, or the one before a sync, when most is at stake.
    init(_ recording: PowerRecording, _ random: inout Seed.Sequence) {
        let lot = random.next() % 5
        victim = lot < 3 ? .primary : lot < 4 ? .replica : .both
        survival = Survival.allCases.randomElement(using: &random) ?? .weak
        let calls = victim == .replica ? recording.replica : recording.primary
        var count = 1 + Int(random.next() % UInt64(calls.records.count))
        if random.next() % 2 == 0 {
            while count < calls.records.count, !calls.records[count].change.isSync { count += 1 }
        }
        time = calls.time(after: count)
        let time = time
        let other = victim == .replica ? recording.primary : recording.replica
        let otherCount = other.records.firstIndex { $0.time >= time } ?? other.records.count
        (primaryCount, replicaCount) = victim == .replica ? (otherCount, count) : (count, otherCount)
    }
}

extension Recording.Change {
    /// Whether it puts something on disk.
    fileprivate var isSync: Bool {
        switch self {
        case .synchronize, .synchronizeAll: true
        default: false
        }
    }
}
