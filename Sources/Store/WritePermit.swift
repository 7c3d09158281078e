import POSIX
import Synchronization

/// Until when this node may acknowledge commits.
///
/// Time alone decides: a primary whose lease ended refuses commits although nobody woke up to tell it. Thread-safe; asking costs a look at
/// the clock, and nothing where the permit has no end.
public final class WritePermit: Sendable {
    private static let endless = Int64.max

    /// The end, nanoseconds of `BootTime`; 0 when there is none to come.
    private let end: Atomic<Int64>

    /// A permit that has not begun.
    public init() { end = Atomic(0) }

    private init(endless: Void) { end = Atomic(Self.endless) }

    /// The permit of a node whose settings say what it is.
    public static var forEver: WritePermit { WritePermit(endless: ()) }

    /// Whether it has no end.
    public var isForEver: Bool { end.load(ordering: .relaxed) == Self.endless }

    /// Whether a commit may be acknowledged now.
    public var holds: Bool {
        let end = end.load(ordering: .acquiring)
        return end == Self.endless || end > 0 && BootTime.now.nanoseconds < end
    }

    /// How long it holds; negative for how long it has not held, zero if it never did.
    public var remaining: Duration {
        let end = end.load(ordering: .acquiring)
        return end == 0 ? .zero : .nanoseconds(end - BootTime.now.nanoseconds)
    }

    /// Lets it hold until a moment, which is later than any before.
    public func extend(to moment: BootTime) { end.store(max(1, moment.nanoseconds), ordering: .releasing) }

    /// Ends it now.
    public func end(at moment: BootTime = .now) {
        end.store(max(1, moment.nanoseconds), ordering: .releasing)
    }
}
