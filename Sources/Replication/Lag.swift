/// How far a node is behind the primary, as the special file `.lag` tells it.
public struct Lag: Sendable, Hashable {
    /// Milliseconds, from 0 up to `maximum`.
    public let milliseconds: Int32

    /// The most that can be told; also before the first time that a replica had everything.
    public static let maximum = Int32.max

    /// The lag of a primary.
    public static let none = Lag(milliseconds: 0)
    /// The lag of a replica that never had everything.
    public static let unknown = Lag(milliseconds: maximum)

    private init(milliseconds: Int32) {
        self.milliseconds = milliseconds
    }

    /// A lag; nil stands for unknown.
    init(_ milliseconds: Int64?) {
        self.milliseconds = milliseconds.map { Int32(clamping: max(0, $0)) } ?? Self.maximum
    }

    /// Whether it is known.
    public var isKnown: Bool { self != .unknown }

    /// Seconds, for metrics.
    public var seconds: Double { Double(milliseconds) / 1000 }
}
