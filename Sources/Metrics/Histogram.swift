import Synchronization

/// Counts observations in fixed buckets; lock-free, usable from any thread.
public final class Histogram: @unchecked Sendable {
    // SAFETY: `counts` points to atomics that live as long as this object and are never moved.

    /// Bounds in seconds for what takes between 0.1 ms and 10 s.
    public static let secondsBuckets: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    /// The upper bound of each bucket, itself included, ascending; a last bucket without a bound follows.
    public let bounds: [Double]
    private let counts: UnsafeMutablePointer<Atomic<UInt64>>
    private let sum = Atomic<UInt64>(0)

    init(bounds: [Double]) {
        precondition(
            !bounds.isEmpty && zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }
                && bounds.allSatisfy { $0.isFinite },
            "bounds of a histogram must be finite and ascending"
        )
        self.bounds = bounds
        counts = .allocate(capacity: bounds.count + 1)
        for index in 0...bounds.count { (counts + index).initialize(to: Atomic(0)) }
    }

    deinit {
        counts.deinitialize(count: bounds.count + 1)
        counts.deallocate()
    }

    /// Counts one observation.
    public func observe(_ value: Double) {
        var index = 0
        while index < bounds.count, value > bounds[index] { index += 1 }
        counts[index].wrappingAdd(1, ordering: .relaxed)
        sum.addDouble(value)
    }

    /// The observations of each bucket alone, the one without a bound last, and the sum of all values.
    ///
    /// Observations made meanwhile may be in one and not yet in the other.
    public var snapshot: (counts: [UInt64], sum: Double) {
        let each = (0...bounds.count).map { counts[$0].load(ordering: .relaxed) }
        return (each, Double(bitPattern: sum.load(ordering: .relaxed)))
    }
}
