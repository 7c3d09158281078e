import Synchronization

/// Names and values of a series' labels.
public typealias MetricLabels = [String: String]

/// One value that is computed when the metrics are read.
public struct MetricSample: Sendable {
    /// What distinguishes it from the other values of its family.
    public let labels: MetricLabels
    /// The value.
    public let value: Double

    /// Joins a value to its labels.
    public init(_ value: Double, labels: MetricLabels = [:]) {
        self.labels = labels
        self.value = value
    }
}

/// All metrics of the process, by name.
///
/// Usable from any thread. Asking for a metric again gives the same handle; asking for it as another kind is a
/// mistake of the programmer and traps, as are names that Prometheus does not allow.
public final class MetricsRegistry: Sendable {
    /// The most series that a family keeps.
    public static let maximumSeries = 10_000

    /// What a family's number means.
    public enum Kind: String, Sendable {
        /// Only grows.
        case counter
        /// Goes up and down.
        case gauge
        /// Observations in buckets.
        case histogram
    }

    enum Source: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
    }

    struct Family: Sendable {
        let help: String
        let kind: Kind
        var series: [MetricLabels: Source] = [:]
        var collect: (@Sendable () -> [MetricSample])?
    }

    private let families = Mutex<[String: Family]>([:])

    /// An empty registry.
    public init() {}

    /// The counter of this name and these labels.
    public func counter(_ name: String, help: String, labels: MetricLabels = [:]) -> Counter {
        let source = source(name, help, .counter, labels) { .counter(Counter()) }
        guard case .counter(let counter) = source else { preconditionFailure("\(name) is not a counter") }
        return counter
    }

    /// The gauge of this name and these labels, set by the program.
    public func gauge(_ name: String, help: String, labels: MetricLabels = [:]) -> Gauge {
        let source = source(name, help, .gauge, labels) { .gauge(Gauge()) }
        guard case .gauge(let gauge) = source else { preconditionFailure("\(name) is not a gauge") }
        return gauge
    }

    /// The histogram of this name and these labels; `bounds` count when it is asked for first.
    public func histogram(
        _ name: String,
        help: String,
        bounds: [Double] = Histogram.secondsBuckets,
        labels: MetricLabels = [:]
    ) -> Histogram {
        precondition(labels["le"] == nil, "the label le of a histogram is reserved for its buckets")
        let source = source(name, help, .histogram, labels) { .histogram(Histogram(bounds: bounds)) }
        guard case .histogram(let histogram) = source else { preconditionFailure("\(name) is no histogram") }
        return histogram
    }

    /// A gauge without labels whose value is computed at each reading, on the thread that reads.
    public func gauge(_ name: String, help: String, value: @escaping @Sendable () -> Double) {
        collect(name, help: help, kind: .gauge) { [MetricSample(value())] }
    }

    /// A family whose series are all computed at each reading, on the thread that reads.
    ///
    /// Replaces the function given before under this name. `kind` must not be `histogram`.
    public func collect(
        _ name: String,
        help: String,
        kind: Kind,
        _ samples: @escaping @Sendable () -> [MetricSample]
    ) {
        precondition(kind != .histogram, "a histogram cannot be computed at reading")
        checkName(name)
        families.withLock { families in
            var family = families[name] ?? Family(help: help, kind: kind)
            precondition(family.kind == kind, "\(name) is already a \(family.kind)")
            family.collect = samples
            families[name] = family
        }
    }

    /// Forgets the series with these labels in all families, for example those of a database that was dropped.
    ///
    /// Handles that are still held go on counting unseen.
    public func remove(labels: MetricLabels) {
        families.withLock { families in
            for name in families.keys { families[name]?.series[labels] = nil }
        }
    }

    /// A copy of all families, sorted by name.
    var sorted: [(name: String, family: Family)] {
        families.withLock { families in
            families.sorted { $0.key < $1.key }.map { (name: $0.key, family: $0.value) }
        }
    }

    private func source(
        _ name: String,
        _ help: String,
        _ kind: Kind,
        _ labels: MetricLabels,
        _ make: () -> Source
    ) -> Source {
        checkName(name)
        for label in labels.keys {
            precondition(isName(label, colons: false), "\(label) is no name for a label of \(name)")
        }
        return families.withLock { families in
            var family = families[name] ?? Family(help: help, kind: kind)
            precondition(family.kind == kind, "\(name) is already a \(family.kind)")
            if let source = family.series[labels] { return source }
            let source = make()
            if family.series.count < Self.maximumSeries { family.series[labels] = source }
            families[name] = family
            return source
        }
    }

    private func checkName(_ name: String) {
        precondition(isName(name, colons: true), "\(name) is no name for a metric")
    }

    private func isName(_ name: String, colons: Bool) -> Bool {
        guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            return false
        }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            case UInt8(ascii: ":"): colons
            default: false
            }
        }
    }
}
