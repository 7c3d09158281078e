import POSIX
import Synchronization

/// Until when this node may acknowledge commits.
///
/// Time alone decides: a primary whose lease ended refuses commits although nobody woke up to tell it. Thread-safe; asking costs a look at
/// the clock, and nothing where the permit has no end.
public final class WritePermit: Sendable {
    private static let endless = Int64.max
    private static let closed: Int64 = -1

    /// The end, nanoseconds of `BootTime`; 0 before the first one, -1 when there is none to come any more.
    private let end: Atomic<Int64>

    /// A permit that has not begun.
    public init() { end = Atomic(0) }

    private init(endless: Void) { end = Atomic(Self.endless) }

    /// The permit of a node whose settings say what it is.
    public static var forEver: WritePermit { WritePermit(endless: ()) }

    /// Whether a commit may be acknowledged now.
    public var holds: Bool {
        let end = end.load(ordering: .acquiring)
        return end == Self.endless || end > 0 && BootTime.now.nanoseconds < end
    }

    /// How long it holds; negative for how long it has not held, nil if it never did, or is closed.
    public var remaining: Duration? {
        let end = end.load(ordering: .acquiring)
        return end > 0 ? .nanoseconds(end - BootTime.now.nanoseconds) : nil
    }

    /// Lets it hold until a moment, unless it is closed.
    public func extend(to moment: BootTime) { move(to: max(1, moment.nanoseconds)) }

    /// Ends it now; it may be extended later.
    public func end(at moment: BootTime = .now) { move(to: max(1, moment.nanoseconds)) }

    /// Ends it for good.
    ///
    /// Invariant: when this has returned, no commit that is asked for later is acknowledged in this process, whoever extends it.
    public func close() { end.store(Self.closed, ordering: .releasing) }

    private func move(to moment: Int64) {
        var present = end.load(ordering: .acquiring)
        while present != Self.closed {
            let (isDone, original) = end.compareExchange(
                expected: present,
                desired: moment,
                ordering: .acquiringAndReleasing
            )
            if isDone { return }
            present = original
        }
    }
}
