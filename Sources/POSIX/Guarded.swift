import Glibc

/// State behind a mutex with a condition variable: for everything that somebody waits for.
///
/// Where nobody waits, use `Synchronization.Mutex`. The body gets a pointer instead of `inout`, because other
/// threads change the state while the body waits.
public final class Guarded<State>: @unchecked Sendable {
    // SAFETY: `state` is touched only between lock and unlock of `mutex`.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private let state: UnsafeMutablePointer<State>

    /// Guards `initial`.
    public init(_ initial: sending State) {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        state = .allocate(capacity: 1)
        state.initialize(to: initial)
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        state.deinitialize(count: 1)
        state.deallocate()
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` while holding the mutex.
    public func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeMutablePointer<State>) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(state)
    }

    /// Waits for `wakeAll()`; call it inside `withLock`, in a loop that checks the condition again.
    public func wait() {
        pthread_cond_wait(condition, mutex)
    }

    /// Waits for `wakeAll()` until `deadline`; call it inside `withLock`.
    ///
    /// Returns false when the time is up.
    public func wait(until deadline: MonotonicTime) -> Bool {
        var time = timespec(
            tv_sec: Int(deadline.nanoseconds / 1_000_000_000),
            tv_nsec: Int(deadline.nanoseconds % 1_000_000_000)
        )
        return pthread_cond_timedwait(condition, mutex, &time) == 0
    }

    /// Wakes everybody who waits.
    ///
    /// May be called with or without the lock.
    public func wakeAll() {
        pthread_cond_broadcast(condition)
    }
}
