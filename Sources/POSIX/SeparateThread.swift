import CShims
import Glibc

/// A thread with a descriptor table of its own: it has none of the process's descriptors but one, and what it opens exists
/// nowhere else.
///
/// For calls on a file system that this process serves itself. The kernel lets a killed thread wait for the answer to such a
/// call, and closes a descriptor table only when the last thread that shares it has ended: with one table for all, nobody
/// would be left to answer, `/dev/fuse` would stay open, and the process would never end.
public final class SeparateThread: Sendable {
    private struct State {
        /// The address of the closure that is to run, or runs.
        var work: UInt?
        var isDone = false
        var isEnding = false
        var failure: Errno?
    }

    private let state = Guarded(State())
    private let thread: Thread

    /// Starts the thread.
    ///
    /// - Parameters:
    ///   - name: Its name.
    ///   - kept: The descriptor that it gets a copy of, under the same number.
    ///   - surroundings: Is called on the thread and must call what it is given, once.
    public init(
        _ name: String,
        keeping kept: Int32,
        surroundings: @escaping @Sendable (() -> Void) -> Void = { $0() }
    ) {
        let state = state
        thread = Thread(name) {
            if cshims_separate_descriptors(kept) != 0 {
                let errno = Errno.last
                state.withLock { $0.pointee.failure = errno }
            }
            surroundings { Self.serve(state) }
            // Joining a thread does not wait until the kernel has closed its table.
            if state.withLock({ $0.pointee.failure == nil }) { _ = close(kept) }
        }
    }

    /// Runs `body` on the thread and waits for it; one caller at a time.
    ///
    /// - Throws: What `body` throws, or why the thread has no table of its own.
    public func run<Result: ~Copyable>(_ body: () throws(Errno) -> Result) throws(Errno) -> Result {
        var result: Result?
        var failure: Errno?
        let work = {
            do throws(Errno) {
                result = try body()
            } catch {
                failure = error
            }
        }
        try withoutActuallyEscaping(work) { work throws(Errno) in
            try withUnsafePointer(to: work) { pointer throws(Errno) in try hand(UInt(bitPattern: pointer)) }
        }
        if let failure { throw failure }
        guard let result = result.take() else { throw .interrupted }
        return result
    }

    /// Ends the thread; `run` must not be called any more.
    public func stop() {
        state.withLock { $0.pointee.isEnding = true }
        state.wakeAll()
        thread.join()
    }

    private func hand(_ address: UInt) throws(Errno) {
        let failure = state.withLock { state -> Errno? in
            if let failure = state.pointee.failure { return failure }
            precondition(state.pointee.work == nil, "one caller at a time")
            state.pointee.work = address
            state.pointee.isDone = false
            self.state.wakeAll()
            while !state.pointee.isDone { self.state.wait() }
            state.pointee.work = nil
            return nil
        }
        if let failure { throw failure }
    }

    private static func serve(_ state: Guarded<State>) {
        while true {
            let address = state.withLock { pointer -> UInt? in
                while pointer.pointee.work == nil || pointer.pointee.isDone {
                    if pointer.pointee.isEnding { return nil }
                    state.wait()
                }
                return pointer.pointee.work
            }
            guard let address else { return }
            call(address)
            state.withLock { $0.pointee.isDone = true }
            state.wakeAll()
        }
    }

    // SAFETY: the pointer is to a closure on the stack of the caller of `run`, who waits until it was called.
    @inline(never)
    private static func call(_ address: UInt) {
        UnsafePointer<() -> Void>(bitPattern: address)?.pointee()
    }
}
