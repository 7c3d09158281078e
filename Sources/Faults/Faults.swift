import CShims
import Glibc
import POSIX
import Synchronization

/// The faults of this process.
public enum Faults {
    private struct State {
        var plan: FaultPlan?
        var hits: [FaultPoint: Int] = [:]
        var report: @Sendable (String) -> Void = { _ in }
    }
    private static let state = Mutex(State())

    /// Makes the points do what a plan says.
    ///
    /// On the main thread, before any other is started, once.
    ///
    /// - Parameters:
    ///   - plan: What happens where.
    ///   - report: Is told about each fault that is taken, before it is; on any thread, with any lock held.
    public static func arm(_ plan: FaultPlan, report: @escaping @Sendable (String) -> Void) {
        state.withLock { state in
            state.plan = plan
            state.report = report
        }
        cshims_arm_faults()
    }

    /// Counts a hit of a point and says what is to happen.
    private static func action(_ point: FaultPoint) -> FaultPlan.Action? {
        let (taken, report) = state.withLock {
            state -> ((FaultPlan.Rule, Int)?, @Sendable (String) -> Void) in
            guard let rules = state.plan?.rules[point] else { return (nil, state.report) }
            let hit = state.hits[point, default: 0] + 1
            state.hits[point] = hit
            return (rules.first { $0.hits.contains(hit) }.map { ($0, hit) }, state.report)
        }
        guard let (rule, hit) = taken else { return nil }
        report("fault point \(point.rawValue): \(rule.text) at hit \(hit)")
        return rule.action
    }

    /// Passes a point at which faults may be armed.
    public static func pass(_ point: FaultPoint) throws(Errno) {
        switch action(point) {
        case nil, .note: return
        case .stop: kill(getpid(), SIGSTOP)
        case .kill, .torn: die()
        case .short: throw .noSpace
        case .fail(let errno): throw errno
        }
    }

    /// Passes a point before a write at which faults may be armed.
    public static func pass(
        _ point: FaultPoint,
        writing bytes: UnsafeRawBufferPointer,
        to file: borrowing FileDescriptor,
        at offset: Int64
    ) throws(Errno) {
        let half = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)])
        switch action(point) {
        case nil, .note:
            return
        case .stop:
            kill(getpid(), SIGSTOP)
        case .kill:
            die()
        case .torn:
            try file.write(half, at: offset)
            die()
        case .short:
            try file.write(half, at: offset)
            throw .noSpace
        case .fail(let errno):
            throw errno
        }
    }

    private static func die() -> Never {
        kill(getpid(), SIGKILL)
        while true { Glibc.pause() }
    }
}
