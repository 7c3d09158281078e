import POSIX

/// Measured values of one thing.
struct Samples {
    private(set) var values: [Double] = []

    init(_ values: [Double] = []) { self.values = values }

    mutating func append(_ value: Double) { values.append(value) }

    /// The value that half of the others do not exceed; 0 without values.
    var median: Double {
        guard !values.isEmpty else { return 0 }
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }

    /// The value that `share` (0 to 1) of all values do not exceed (nearest rank); 0 without values.
    func percentile(_ share: Double) -> Double {
        guard !values.isEmpty else { return 0 }
        let rank = (share * Double(values.count)).rounded(.up)
        return values.sorted()[min(max(Int(rank), 1), values.count) - 1]
    }
}

/// The same work in a native folder and on the mount, in turns.
struct Pairs {
    private(set) var native = Samples()
    private(set) var mount = Samples()
    private(set) var ratios = Samples()

    /// Measures pairs, after one that does not count.
    ///
    /// The order within a pair changes each time.
    ///
    /// - Parameters:
    ///   - rounds: how many pairs.
    ///   - nativeFolder: a folder without litefs.
    ///   - mountFolder: the mount.
    ///   - measure: does the work in a folder and returns a rate, or anything of which more is better.
    /// - Throws: what `measure` throws.
    init(
        rounds: Int,
        native nativeFolder: String,
        mount mountFolder: String,
        measure: (_ folder: String) throws -> Double
    ) throws {
        for round in 0...rounds {
            let isNativeFirst = round.isMultiple(of: 2)
            let first = try measure(isNativeFirst ? nativeFolder : mountFolder)
            let second = try measure(isNativeFirst ? mountFolder : nativeFolder)
            guard round > 0 else { continue }
            native.append(isNativeFirst ? first : second)
            mount.append(isNativeFirst ? second : first)
            ratios.append(isNativeFirst ? second / first : first / second)
        }
    }
}

/// Seconds that `body` takes.
func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = MonotonicTime.now
    try body()
    return (MonotonicTime.now - start).seconds
}
