import Synchronization

/// What a run did, counted under names, in the order in which they first occurred.
///
/// Thread-safe.
package final class Tally: Sendable {
    private struct State {
        var names: [String] = []
        var counts: [String: Int] = [:]
    }
    private let state = Mutex(State())

    package init() {}

    /// Counts something.
    package func add(_ name: String, _ count: Int = 1) {
        state.withLock { state in
            if state.counts[name] == nil { state.names.append(name) }
            state.counts[name, default: 0] += count
        }
    }

    /// How often something was counted.
    package subscript(name: String) -> Int { state.withLock { $0.counts[name] ?? 0 } }

    /// All counts: `3 kills, 40 commits`.
    package var text: String {
        state.withLock { state in
            state.names.map { "\(state.counts[$0] ?? 0) \($0)" }.joined(separator: ", ")
        }
    }
}
