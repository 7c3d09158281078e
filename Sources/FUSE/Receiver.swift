import CShims
import Glibc
import POSIX
import Synchronization

/// Takes requests from the kernel, and gives answers back.
///
/// A program that makes one request after the other waits each time until a thread of ours has woken up. So one thread, when it has
/// answered a request, goes on to ask for the next for a moment instead of going to sleep at once; without requests nobody asks. It
/// asks through a second descriptor of the connection, which does not block. An answer goes to the descriptor that its request came from.
///
/// Thread-safe.
final class Receiver: Sendable {
    /// How long a thread asks before it sleeps.
    private static let patience: Int64 = 50_000

    /// The connection.
    private let device: Int32
    /// The same connection, not blocking; -1 while there is none.
    private let asking = Atomic<Int32>(-1)
    /// Whether a thread is asking.
    private let isAsking = Atomic<Bool>(false)

    init(device: Int32) {
        self.device = device
    }

    /// Makes the second descriptor, once there is a mount; without it every thread sleeps at once.
    func start() {
        guard let clone = try? FileDescriptor.open("/dev/fuse", [.readWrite, .nonBlocking]) else { return }
        guard cshims_fuse_clone(clone.rawValue, device) == 0 else { return }
        asking.store(clone.release(), ordering: .releasing)
    }

    /// Closes the second descriptor; no thread may take requests any more.
    func stop() {
        let clone = asking.exchange(-1, ordering: .acquiringAndReleasing)
        if clone >= 0 { _ = FileDescriptor(owning: clone) }
    }

    /// Waits for a request.
    func receive(_ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
        let state = ThreadState.current
        if state.pointee.hasAnswered {
            state.pointee.hasAnswered = false
            if let result = ask(buffer, count) {
                state.pointee.source = asking.load(ordering: .relaxed)
                return result
            }
        }
        state.pointee.source = device
        return Glibc.read(device, buffer, count)
    }

    /// Gives an answer, or tells the kernel something.
    func send(_ parts: UnsafePointer<iovec>?, _ count: Int32) -> Int {
        let state = ThreadState.current
        state.pointee.hasAnswered = true
        return Glibc.writev(state.pointee.source < 0 ? device : state.pointee.source, parts, count)
    }

    /// Asks for a moment, unless another thread does; nil when nothing came.
    private func ask(_ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int? {
        let clone = asking.load(ordering: .acquiring)
        guard clone >= 0, !isAsking.exchange(true, ordering: .acquiring) else { return nil }
        defer { isAsking.store(false, ordering: .releasing) }
        let end = MonotonicTime.now.nanoseconds + Self.patience
        repeat {
            let result = Glibc.read(clone, buffer, count)
            if result > 0 { return result }
            if result < 0, errno != EAGAIN { return nil }
            for _ in 0..<16 { cshims_relax() }
        } while MonotonicTime.now.nanoseconds < end
        return nil
    }

    /// What a thread remembers from a request to its answer.
    private struct ThreadState {
        /// Where its last request came from; -1 for a thread that takes none.
        var source: Int32 = -1
        /// Whether it has answered since.
        var hasAnswered = false

        private static let key: pthread_key_t = {
            var key = pthread_key_t()
            pthread_key_create(&key) { $0?.deallocate() }
            return key
        }()

        // SAFETY: made by the thread that uses it, and freed with it.
        static var current: UnsafeMutablePointer<ThreadState> {
            if let known = pthread_getspecific(key) { return known.assumingMemoryBound(to: ThreadState.self) }
            let made = UnsafeMutablePointer<ThreadState>.allocate(capacity: 1)
            made.initialize(to: ThreadState())
            pthread_setspecific(key, made)
            return made
        }
    }
}
