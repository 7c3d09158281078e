import POSIX
import Synchronization

/// Threads of this process that open files through its own mount.
///
/// FUSE reports the thread that made a request; this is how the mount knows that it was one of ours.
public final class OwnThreads: Sendable {
    private let threads = Mutex<Set<Int32>>([])

    /// No threads.
    public init() {}

    /// Runs `body` with the calling thread counted as one of ours.
    ///
    /// May be nested; the thread counts until the outermost call returns.
    public func withCurrent<Result, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let thread = Thread.currentID
        let isOutermost = threads.withLock { $0.insert(thread).inserted }
        defer { if isOutermost { threads.withLock { _ = $0.remove(thread) } } }
        return try body()
    }

    /// Whether the thread is one of ours.
    public func contains(_ thread: Int32) -> Bool {
        thread != 0 && threads.withLock { $0.contains(thread) }
    }
}
