import POSIX

/// Wakes a thread that has nothing to do: whoever finds work for it rings, with or without a database's lock.
///
/// A leaf in the order of locks.
final class Doorbell: Sendable {
    private struct State {
        var isRung = false
        var isStopping = false
    }
    private let state = Guarded(State())

    func ring() {
        // Whoever is rung already knows: each write of a long transaction rings.
        let isNews = state.withLock { state in
            defer { state.pointee.isRung = true }
            return !state.pointee.isRung
        }
        if isNews { state.wakeAll() }
    }

    func stop() {
        state.withLock { $0.pointee.isStopping = true }
        state.wakeAll()
    }

    /// Waits for a pause, or, without one, until somebody rings.
    ///
    /// Returns false when stopping.
    func wait(_ pause: Duration?) -> Bool {
        state.withLock { state in
            if let pause {
                let deadline = MonotonicTime.now + pause
                while !state.pointee.isStopping, self.state.wait(until: deadline) {}
            } else {
                while !state.pointee.isRung, !state.pointee.isStopping { self.state.wait() }
            }
            state.pointee.isRung = false
            return !state.pointee.isStopping
        }
    }
}
