import POSIX

/// A thread for I/O through the daemon's own mount, with a descriptor table of its own.
///
/// When the process is killed, such I/O can be in the middle of a FUSE request that nobody will answer any more; the kernel lets
/// the thread die only when the request ends, and the request ends when the last descriptor of `/dev/fuse` is closed. A thread
/// that shared its descriptors with the rest of the process would hold that one open and wait for itself, for ever. So this
/// thread leaves the shared table when it starts and keeps only the root folder of the mount.
///
/// What it opens, it closes: a descriptor's number means nothing to other threads, nor theirs to it.
package final class MountThread: Sendable {
    /// Work for the thread.
    ///
    /// It lets go of the work's closure before it is reported as done.
    private final class Job: @unchecked Sendable {
        // SAFETY: made by the caller, then touched by the thread alone until it is reported as done.
        private var body: (() -> Void)?

        init(_ body: @escaping () -> Void) {
            self.body = body
        }

        @inline(never)
        func perform() {
            body?()
            body = nil
        }
    }

    private struct State {
        var job: Job?
        var isStopping = false
    }

    private let state = Guarded(State())
    private let thread: Thread

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - name: for debuggers.
    ///   - root: descriptor of the mount's root folder; under the same number in the thread's own table.
    ///   - ownThreads: where the mount looks up whose requests are the daemon's.
    init(_ name: String, root: Int32, ownThreads: OwnThreads) {
        let state = state
        thread = Thread(name) {
            CurrentThread.leaveDescriptorTable(keeping: root)
            ownThreads.withCurrent {
                while Self.performNext(state) {}
            }
        }
    }

    private static func performNext(_ state: Guarded<State>) -> Bool {
        let job = state.withLock { current -> Job? in
            while current.pointee.job == nil, !current.pointee.isStopping { state.wait() }
            return current.pointee.job
        }
        guard let job else { return false }
        job.perform()
        state.withLock { $0.pointee.job = nil }
        state.wakeAll()
        return true
    }

    /// Runs `body` on the thread and waits for it.
    package func run<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        // SAFETY: the other thread writes it before it reports that the work is done, which is awaited.
        nonisolated(unsafe) var outcome: Swift.Result<Result, Failure>?
        withoutActuallyEscaping(body) { body in
            perform(Job { outcome = Swift.Result { () throws(Failure) in try body() } })
        }
        guard let outcome else { preconditionFailure("the work was done") }
        return try outcome.get()
    }

    @inline(never)
    private func perform(_ job: Job) {
        state.withLock { state in
            while state.pointee.job != nil { self.state.wait() }
            state.pointee.job = job
        }
        state.wakeAll()
        state.withLock { state in
            while state.pointee.job === job { self.state.wait() }
        }
    }

    /// Ends the thread and with it everything it has open.
    package func stop() {
        state.withLock { $0.pointee.isStopping = true }
        state.wakeAll()
        thread.join()
    }
}
