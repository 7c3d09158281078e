/// The states that one database went through, and which of them could not be lost any more at what time.
///
/// Times are CLOCK_MONOTONIC in nanoseconds.
struct LedgerHistory {
    /// A state, told by the highest number in its ledger; 0 without one.
    struct State {
        var highest: Int
        /// When the commit began that led to it.
        var begun: Int64
    }

    private(set) var states = [State(highest: 0, begun: 0)]
    private var promises: [(time: Int64, state: Int)] = [(0, 0)]

    /// The highest number that was ever used.
    private(set) var lastNumber = 0

    /// Something begins that leads to a new state.
    mutating func begin(_ highest: Int, at time: Int64) {
        states.append(State(highest: highest, begun: time))
        lastNumber = max(lastNumber, highest)
    }

    /// The newest state was acknowledged.
    mutating func acknowledge(at time: Int64, _ promise: CommitPromise) {
        switch promise {
        case .nothing: break
        case .commitBefore: promises.append((time, max(0, states.count - 2)))
        case .commit: promises.append((time, states.count - 1))
        }
    }

    /// The states that may be found after power failed before `time`, oldest first.
    func possible(before time: Int64) -> ArraySlice<State> {
        let first = promises.last { $0.time < time }?.state ?? 0
        let last = states.lastIndex { $0.begun < time } ?? 0
        return states[min(first, last)...last]
    }
}
