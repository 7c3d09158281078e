import POSIX
import Synchronization

/// The wish that the node ends: made once, seen by every thread, and by whoever waits.
public final class StopRequest: Sendable {
    private struct State {
        var isRequested = false
        var actions: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())
    private let event: EventCounter

    /// No wish yet.
    public init() throws(Errno) {
        event = try EventCounter()
    }

    /// Whether the node is to end.
    public var isRequested: Bool { state.withLock { $0.isRequested } }

    /// A descriptor for poll(2) that is readable from the request on.
    public var descriptor: Int32 { event.rawValue }

    /// Asks the node to end; further calls do nothing.
    ///
    /// Runs the actions on the calling thread.
    public func request() {
        let actions = state.withLock { state in
            state.isRequested = true
            defer { state.actions = [] }
            return state.actions
        }
        event.signal()
        for action in actions { action() }
    }

    /// Has `action` run when the node is to end, at once if that is so already.
    ///
    /// For waits that know nothing of descriptors: the action wakes them. It must not block.
    public func onRequest(_ action: @escaping @Sendable () -> Void) {
        let isRequested = state.withLock { state in
            if !state.isRequested { state.actions.append(action) }
            return state.isRequested
        }
        if isRequested { action() }
    }

    /// Waits until the node is to end, or the time is up.
    ///
    /// Returns whether it is to end.
    public func wait(for duration: Duration) -> Bool {
        poll(readable: [event.rawValue], timeout: duration)[0] || isRequested
    }

    /// Throws `StartError.interrupted` when the node is to end.
    public func check() throws(StartError) {
        if isRequested { throw .interrupted }
    }
}
