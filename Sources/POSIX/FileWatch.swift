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

    /// Waits for a write since the last `arm`, or for `wake`.
    public func wait() {
        _ = poll(readable: [descriptor.rawValue, bell.rawValue], timeout: nil)
        bell.reset()
        // Events that nobody looks at: one is as good as many.
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
            while Glibc.read(descriptor.rawValue, buffer.baseAddress, buffer.count) > 0 {}
        }
    }

    /// Ends a wait, or the next one.
    public func wake() { bell.signal() }
}
