import POSIX

/// A thread for I/O through the daemon's own mount, with a descriptor table of its own.
///
/// When the process is killed, such I/O can be in the middle of a FUSE request that nobody will answer any more; the kernel lets
/// the thread die only when the request ends, and the request ends when the last descriptor of `/dev/fuse` is closed. A thread
/// that shared its descriptors with the rest of the process would hold that one open and wait for itself, for ever. So this
/// thread leaves the shared table when it starts and keeps only the root folder of the mount.
///
/// What it opens, it closes: a descriptor's number means nothing to other threads, nor theirs to it.
final class MountThread: Sendable {
    private struct State: @unchecked Sendable {
        // SAFETY: the work is called while its caller waits in `run`.
        var work: (() -> Void)?
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
                while true {
                    let work = state.withLock { current -> State in
                        while current.pointee.work == nil, !current.pointee.isStopping { state.wait() }
                        return current.pointee
                    }
                    guard let body = work.work else { return }
                    body()
                    state.withLock { $0.pointee.work = nil }
                    state.wakeAll()
                }
            }
        }
    }

    /// Runs `body` on the thread and waits for it.
    func run<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        // SAFETY: the other thread writes it before it reports that the work is done, which is awaited below.
        nonisolated(unsafe) var outcome: Swift.Result<Result, Failure>?
        withoutActuallyEscaping(body) { body in
            let work = State(work: { outcome = Swift.Result { () throws(Failure) in try body() } })
            state.withLock { state in
                while state.pointee.work != nil { self.state.wait() }
                state.pointee.work = work.work
            }
            state.wakeAll()
            state.withLock { state in
                while state.pointee.work != nil { self.state.wait() }
            }
        }
        guard let outcome else { preconditionFailure("the work was done") }
        return try outcome.get()
    }

    /// Ends the thread and with it everything it has open.
    func stop() {
        state.withLock { $0.pointee.isStopping = true }
        state.wakeAll()
        thread.join()
    }
}
