import POSIX
import Synchronization

/// A piece of work on a thread of its own, whose end can be waited for together with signals.
struct Work<Result: Sendable>: ~Copyable {
    private final class Outcome: Sendable {
        let result = Mutex<Result?>(nil)
        let event: EventCounter

        init() throws(Errno) {
            event = try EventCounter()
        }
    }

    private let outcome: Outcome
    private let thread: Thread

    /// Starts it on a thread called `name`.
    init(_ name: String, _ body: @escaping @Sendable () -> Result) throws(Errno) {
        let outcome = try Outcome()
        self.outcome = outcome
        thread = Thread(name) {
            let result = body()
            outcome.result.withLock { $0 = result }
            outcome.event.signal()
        }
    }

    /// A descriptor for poll(2) that is readable from the end of the work on.
    var descriptor: Int32 { outcome.event.rawValue }

    /// Waits for the end of the thread and gives the result.
    consuming func result() -> Result {
        thread.join()
        guard let result = outcome.result.withLock({ $0 }) else {
            preconditionFailure("work that has ended has a result")
        }
        return result
    }
}
