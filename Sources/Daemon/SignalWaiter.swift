import POSIX

/// Where the main thread waits for everything that may happen to the process: a signal, the end of a child, or a piece
/// of work on another thread that is done.
///
/// Made before the first thread is started, it blocks the signals for all of them, so that each one lands here and works
/// from then on.
public struct SignalWaiter: ~Copyable {
    /// What happened; several things may have.
    public struct Events: Equatable, Sendable {
        /// The signals by which somebody asks the process to end, in no order.
        public var stopSignals: [Signal] = []
        /// Whether children may have ended.
        public var childrenChanged = false
        /// Whether the other descriptor is readable.
        public var isReadable = false
    }

    private let descriptor: SignalDescriptor

    /// Blocks SIGINT, SIGTERM, SIGCHLD and, unless it is ignored (nohup), SIGHUP on this thread and those it starts, and
    /// ignores SIGPIPE.
    public init() throws(Errno) {
        Signal.brokenPipe.ignore()
        var signals: [Signal] = [.interrupt, .terminate, .childEnded]
        if !Signal.hangUp.isIgnored { signals.append(.hangUp) }
        descriptor = try SignalDescriptor(signals)
    }

    /// Waits until a signal comes, `other` is readable, or the time is up; then no event is set.
    public func wait(other: Int32? = nil, until deadline: MonotonicTime? = nil) -> Events {
        while true {
            let timeout = deadline.map { max(.zero, $0 - .now) }
            let descriptors = [descriptor.rawValue] + (other.map { [$0] } ?? [])
            let ready = poll(readable: descriptors, timeout: timeout)
            var events = Events()
            while let signal = descriptor.next() {
                if signal == .childEnded {
                    events.childrenChanged = true
                } else {
                    events.stopSignals.append(signal)
                }
            }
            events.isReadable = ready.count > 1 && ready[1]
            if events != Events() { return events }
            if let deadline, deadline <= .now { return events }
        }
    }
}
