/// What a scenario found out.
struct Measurement {
    /// A name for programs: lower case, with hyphens.
    var name: String
    /// What was done, for people.
    var title: String
    /// What the native folder did, with its unit; empty where there is no such thing.
    var native = ""
    /// What the mount did, with its unit.
    var litefs = ""
    /// The number that has a target.
    var value: Double
    var unit: Unit
    var target: Target?
    /// The single values behind `value`, where it is a median.
    var samples: [Double] = []

    /// What `value` counts.
    enum Unit: String {
        /// A share of what the native folder does; more is better.
        case ofNative = "of native"
        /// A multiple of the time that the native folder takes; less is better.
        case timesNative = "x native"
        /// A multiple of the time that a fresh replica takes; less is better.
        case timesFresh = "x fresh"
        case seconds = "s"
        case milliseconds = "ms"
        case microseconds = "us"
        case perSecond = "/s"
        case mebibytes = "MiB"
    }

    /// What the project wants to reach.
    enum Target {
        case atLeast(Double)
        case atMost(Double)
        case below(Double)

        /// Whether a value reaches it.
        func isMet(by value: Double) -> Bool {
            switch self {
            case .atLeast(let bound): value >= bound
            case .atMost(let bound): value <= bound
            case .below(let bound): value < bound
            }
        }

        /// Sign and bound.
        var text: String {
            switch self {
            case .atLeast(let bound): ">= \(decimal(bound))"
            case .atMost(let bound): "<= \(decimal(bound))"
            case .below(let bound): "< \(decimal(bound))"
            }
        }
    }

    /// A comparison of rates.
    init(_ name: String, _ title: String, _ pairs: Pairs, per unit: String, atLeast bound: Double?) {
        self.name = name
        self.title = title
        native = grouped(pairs.native.median) + unit
        litefs = grouped(pairs.mount.median) + unit
        value = pairs.ratios.median
        self.unit = .ofNative
        target = bound.map { .atLeast($0) }
        samples = pairs.ratios.values
    }

    /// A comparison of times, taken in turns.
    init(
        _ name: String,
        _ title: String,
        seconds: Samples,
        against other: Samples,
        _ unit: Unit,
        target: Target?
    ) {
        let ratios = zip(seconds.values, other.values).map { $0 / $1 }
        self.init(name, title, value: Samples(ratios).median, unit, target: target)
        native = decimal(other.median) + " s"
        litefs = decimal(seconds.median) + " s"
        samples = ratios
    }

    /// A number of its own.
    init(_ name: String, _ title: String, value: Double, _ unit: Unit, target: Target?) {
        self.name = name
        self.title = title
        self.value = value
        self.unit = unit
        self.target = target
    }
}

/// A number with as many decimals as it needs to be told apart: three digits.
func decimal(_ value: Double) -> String {
    let places = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.095 ? 2 : 3
    let scale = [1, 10, 100, 1000][places]
    let rounded = Int((value * Double(scale)).rounded())
    guard places > 0 else { return String(rounded) }
    let fraction = String(rounded % scale)
    return "\(rounded / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
}

/// A number without decimals, in groups of three digits; small ones keep a decimal.
func grouped(_ value: Double) -> String {
    guard value >= 100 else { return decimal(value) }
    var digits = String(Int(value.rounded()))
    var groups: [String] = []
    while digits.count > 3 {
        groups.insert(String(digits.suffix(3)), at: 0)
        digits.removeLast(3)
    }
    return ([digits] + groups).joined(separator: ",")
}
