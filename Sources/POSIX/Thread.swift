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
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts a thread that runs `body`.
    public init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        self.name = name
        let start = Unmanaged.passRetained(
            Start(name: String(decoding: name.utf8.prefix(15), as: UTF8.self), body: body)
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
        pthread_sigmask(SIG_BLOCK, &all, nil)
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

    /// The kernel's number of the calling thread, as FUSE reports it for a request that this thread made.
    public static var currentID: Int32 { cshims_gettid() }
}
