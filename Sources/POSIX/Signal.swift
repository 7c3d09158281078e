import CShims
import Glibc

/// A signal of the operating system.
public struct Signal: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number as in `<signal.h>`.
    public let rawValue: Int32

    /// Wraps a number of `<signal.h>`.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// `SIGHUP`.
    public static let hangUp = Signal(rawValue: SIGHUP)
    /// `SIGINT`.
    public static let interrupt = Signal(rawValue: SIGINT)
    /// `SIGTERM`.
    public static let terminate = Signal(rawValue: SIGTERM)
    /// `SIGKILL`.
    public static let kill = Signal(rawValue: SIGKILL)
    /// `SIGCHLD`.
    public static let childEnded = Signal(rawValue: SIGCHLD)
    /// `SIGPIPE`.
    public static let brokenPipe = Signal(rawValue: SIGPIPE)

    /// Symbolic name, for example `SIGTERM`.
    public var description: String {
        guard let name = cshims_signal_name(rawValue) else { return "signal \(rawValue)" }
        return "SIG" + String(cString: name)
    }

    /// Whether this process ignores the signal, as it does with `SIGHUP` under nohup(1).
    public var isIgnored: Bool { cshims_is_ignored(rawValue) != 0 }

    /// Makes this process ignore the signal from now on.
    public func ignore() {
        cshims_ignore(rawValue)
    }
}

/// A descriptor that delivers signals to whoever reads it (signalfd), instead of to a handler.
public struct SignalDescriptor: ~Copyable, Sendable {
    private let descriptor: FileDescriptor

    /// Blocks `signals` on the calling thread and opens the descriptor.
    ///
    /// Threads inherit what is blocked: make it before the first one is started, or a signal may hit a thread that does
    /// not block it.
    public init(_ signals: [Signal]) throws(Errno) {
        let numbers = signals.map(\.rawValue)
        let fd = cshims_signalfd(numbers, Int32(numbers.count))
        guard fd >= 0 else { throw Errno.last }
        descriptor = FileDescriptor(owning: fd)
    }

    /// The descriptor for poll(2).
    public var rawValue: Int32 { descriptor.rawValue }

    /// Takes the next pending signal; nil when there is none.
    ///
    /// A signal that came several times before it was taken comes once.
    public func next() -> Signal? {
        let number = cshims_next_signal(descriptor.rawValue)
        return number > 0 ? Signal(rawValue: number) : nil
    }
}
