import Store
import Synchronization

/// How often each database failed to take what it was sent, from stream to stream, and how long to leave it alone therefore.
final class ReceiveFailures: Sendable {
    private let first: Duration
    private static let longest = Duration.seconds(60)
    private let counts = Mutex<[DatabaseName: Int]>([:])

    /// - Parameter first: The delay after the first failure; it doubles up to a minute.
    init(first: Duration) {
        self.first = first
    }

    /// Notes a failure, and returns after which time to try again.
    func failed(_ name: DatabaseName) -> Duration {
        let count = counts.withLock { counts in
            counts[name, default: 0] += 1
            return counts[name] ?? 1
        }
        var delay = first
        for _ in 1..<min(count, 20) { delay = min(delay * 2, Self.longest) }
        return delay
    }

    /// Notes that everything that was sent is applied.
    func succeeded(_ name: DatabaseName) {
        counts.withLock { $0[name] = nil }
    }

    /// Failures since the last success.
    func count(_ name: DatabaseName) -> Int {
        counts.withLock { $0[name] ?? 0 }
    }
}
