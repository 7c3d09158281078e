import CShims
import Glibc
import Synchronization

/// A named thread that must be joined.
///
/// All signals are blocked on it.
public final class Thread: Sendable {
    private let handle: Mutex<pthread_t?>
    /// The name shown by `ps` and debuggers, cut to 15 bytes.
    public let name: String

    private final class Start {
        let name: String
        let interruptible: Bool
        let body: @Sendable () -> Void
        init(name: String, interruptible: Bool, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.interruptible = interruptible
            self.body = body
        }
    }

    /// Starts a thread that runs `body`.
    ///
    /// An `interruptible` thread returns from blocking system calls with EINTR when it is interrupted.
    public init(_ name: String, interruptible: Bool = false, _ body: @escaping @Sendable () -> Void) {
        self.name = name
        let start = Unmanaged.passRetained(
            Start(
                name: String(decoding: name.utf8.prefix(15), as: UTF8.self),
                interruptible: interruptible,
                body: body
            )
        )
        var thread = pthread_t()
        let result = pthread_create(&thread, nil, Thread.main, start.toOpaque())
        precondition(result == 0, "cannot start thread \(name): \(Errno(rawValue: result))")
        handle = Mutex(thread)
    }

    // SAFETY: the pointer is the +1 reference that `init` made, consumed exactly once.
    private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = {
        argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        var all = sigset_t()
        sigfillset(&all)
        if start.interruptible {
            sigdelset(&all, SIGUSR2)
            cshims_make_interrupting(SIGUSR2)
        }
        pthread_sigmask(SIG_SETMASK, &all, nil)
        cshims_set_thread_name(start.name)
        start.body()
        return nil
    }

    /// Waits until the thread has ended.
    ///
    /// Further calls return at once.
    public func join() {
        let thread = handle.withLock { handle in
            defer { handle = nil }
            return handle
        }
        if let thread { pthread_join(thread, nil) }
    }

    /// Interrupts blocking system calls of an interruptible thread again and again until it has ended.
    public func interruptAndJoin() {
        let thread = handle.withLock { handle in
            defer { handle = nil }
            return handle
        }
        guard let thread else { return }
        while true {
            var deadline = timespec()
            clock_gettime(CLOCK_REALTIME, &deadline)
            deadline.tv_nsec += 5_000_000
            if deadline.tv_nsec >= 1_000_000_000 {
                deadline.tv_sec += 1
                deadline.tv_nsec -= 1_000_000_000
            }
            pthread_kill(thread, SIGUSR2)
            if cshims_timed_join(thread, &deadline) == 0 { return }
        }
    }

    /// The kernel's number of the calling thread, as FUSE reports it for a request that this thread made.
    public static var currentID: Int32 { cshims_gettid() }
}
