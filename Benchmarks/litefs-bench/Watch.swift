import POSIX
import Synchronization

/// A reader on the replica that notes when it sees each row of a growing table for the first time.
final class Watch: Sendable {
    private let path: String
    private let first: Int64
    private let count: Int
    private let pause: Duration
    private let deadline: MonotonicTime
    private let outcome = Mutex<Result<[MonotonicTime], BenchmarkError>?>(nil)
    private let isGivenUp = Atomic(false)

    /// - Parameters:
    ///   - path: the database.
    ///   - first: the number of the first row to wait for.
    ///   - count: how many rows to wait for.
    ///   - pause: what the reader does between two looks; zero for no pause.
    ///   - deadline: when it stops to wait.
    init(path: String, first: Int64, count: Int, pause: Duration, deadline: MonotonicTime) {
        self.path = path
        self.first = first
        self.count = count
        self.pause = pause
        self.deadline = deadline
    }

    /// Reads until all rows were seen; on a thread of its own.
    func run() {
        let result = Result { () throws(BenchmarkError) in try watch() }
        outcome.withLock { $0 = result }
    }

    /// Makes `run` return soon.
    func giveUp() { isGivenUp.store(true, ordering: .relaxed) }

    /// When each row was seen, after `run` has returned.
    func result() throws -> [MonotonicTime] {
        guard let result = outcome.withLock({ $0 }) else { throw BenchmarkError("the reader did not run") }
        return try result.get()
    }

    private func watch() throws(BenchmarkError) -> [MonotonicTime] {
        let newest = try Connection(path).prepare("SELECT max(id) FROM t")
        var seen: [MonotonicTime] = []
        seen.reserveCapacity(count)
        while seen.count < count {
            let id = try newest.number() ?? 0
            let now = MonotonicTime.now
            while seen.count < count, first + Int64(seen.count) <= id { seen.append(now) }
            if isGivenUp.load(ordering: .relaxed) || now > deadline {
                throw BenchmarkError("\(path): \(seen.count) of \(count) rows arrived")
            }
            if pause > .zero { POSIX.pause(pause) }
        }
        return seen
    }
}
