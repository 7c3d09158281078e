import CShims
import Glibc

/// A descriptor that becomes readable when somebody signals it (eventfd): wakes a thread that waits in poll(2).
public struct EventCounter: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// Makes an unsignalled counter.
    public init() throws(Errno) {
        let fd = cshims_eventfd()
        guard fd >= 0 else { throw Errno.last }
        descriptor = FileDescriptor(owning: fd)
    }

    /// The descriptor for poll(2).
    public var rawValue: Int32 { descriptor.rawValue }

    /// Makes the descriptor readable.
    ///
    /// Safe in a signal handler.
    public func signal() {
        var one: UInt64 = 1
        _ = Glibc.write(descriptor.rawValue, &one, 8)
    }

    /// Makes it unreadable again.
    public func reset() {
        var value: UInt64 = 0
        _ = Glibc.read(descriptor.rawValue, &value, 8)
    }
}

/// Waits until one of the descriptors is readable or closed by its peer, or the time is up.
///
/// Returns which are.
public func poll(readable descriptors: [Int32], timeout: Duration?) -> [Bool] {
    var list = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    let milliseconds = timeout.map { Int32(clamping: ($0.nanoseconds + 999_999) / 1_000_000) } ?? -1
    _ = Glibc.poll(&list, nfds_t(list.count), milliseconds)
    return list.map { $0.revents != 0 }
}
