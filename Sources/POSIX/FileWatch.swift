import CShims
import Glibc

/// Wakes one thread at the next write to a file (inotify).
///
/// The watch is for one write, so that a file that is written all the time costs its writers nothing.
public final class FileWatch: Sendable {
    private let descriptor: FileDescriptor
    private let bell: EventCounter

    /// Watches nothing yet.
    public init() throws(Errno) {
        bell = try EventCounter()
        let number = cshims_inotify()
        guard number >= 0 else { throw Errno.last }
        descriptor = FileDescriptor(owning: number)
    }

    /// Asks for the next write to a file; one that does not exist is not written to.
    public func arm(_ path: String) { _ = cshims_inotify_next_write(descriptor.rawValue, path) }

    /// Waits for a write since the last `arm`, or for `wake`, for so long at most; nil for ever.
    ///
    /// - Returns: whether one of them came.
    public func wait(_ timeout: Duration?) -> Bool {
        let ready = poll(readable: [descriptor.rawValue, bell.rawValue], timeout: timeout)
        guard ready.contains(true) else { return false }
        bell.reset()
        // Events that nobody looks at: one is as good as many.
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
            while Glibc.read(descriptor.rawValue, buffer.baseAddress, buffer.count) > 0 {}
        }
        return true
    }

    /// Ends a wait, or the next one.
    public func wake() { bell.signal() }
}
