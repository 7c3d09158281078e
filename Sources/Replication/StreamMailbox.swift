import POSIX
import Store

/// What others tell the thread of a stream: which databases have news, and that it shall end.
///
/// Usable from any thread. Bounded by the number of databases, because a name is kept once.
final class StreamMailbox: Sendable {
    /// What ended a wait.
    enum Wake {
        case news
        case timeout
        case stopping
    }

    private struct State {
        var news: [DatabaseName] = []
        var known: Set<DatabaseName> = []
        var isStopping = false
        var isCancelled = false
        /// Whether the stream has told everything that it was told.
        var isDrained = false
    }

    private let state = Guarded(State())

    /// Tells that a database has news.
    func post(_ name: DatabaseName) {
        let isFirst = state.withLock { state in
            state.pointee.isDrained = false
            guard state.pointee.known.insert(name).inserted else { return false }
            state.pointee.news.append(name)
            return true
        }
        if isFirst { state.wakeAll() }
    }

    /// Asks the stream to end in order.
    func stop() {
        state.withLock { $0.pointee.isStopping = true }
        state.wakeAll()
    }

    /// Tells that nobody receives the stream any longer.
    func cancel() {
        state.withLock {
            $0.pointee.isStopping = true
            $0.pointee.isCancelled = true
        }
        state.wakeAll()
    }

    /// Whether nothing is left to be sent, as far as the stream was told; a stream that ended has nothing left.
    var isDrained: Bool { state.withLock { $0.pointee.isDrained || $0.pointee.isStopping } }

    var isStopping: Bool { state.withLock { $0.pointee.isStopping } }
    var isCancelled: Bool { state.withLock { $0.pointee.isCancelled } }

    /// The databases with news since the last call, in the order in which they had them.
    func take() -> [DatabaseName] {
        state.withLock { state in
            defer {
                state.pointee.news.removeAll(keepingCapacity: true)
                state.pointee.known.removeAll(keepingCapacity: true)
            }
            return state.pointee.news
        }
    }

    /// Waits for news or the end.
    func wait(until deadline: MonotonicTime) -> Wake {
        state.withLock { state in
            while true {
                if state.pointee.isStopping { return .stopping }
                if !state.pointee.news.isEmpty { return .news }
                state.pointee.isDrained = true
                if MonotonicTime.now >= deadline { return .timeout }
                _ = self.state.wait(until: deadline)
            }
        }
    }
}
