extension MetricsRegistry {
    /// The media type of `exposition()`.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// All metrics as text (Prometheus text exposition format 0.0.4), sorted by name and labels.
    ///
    /// Calls the functions of computed families on this thread; a family without a value is left out.
    public func exposition() -> [UInt8] {
        var text = ExpositionText()
        for (name, family) in sorted { text.append(name, family) }
        return text.bytes
    }
}

private struct ExpositionText {
    var bytes: [UInt8] = []

    mutating func append(_ name: String, _ family: MetricsRegistry.Family) {
        var series = family.series.map { (labels: labelText($0.key), source: $0.value) }
        series.sort { $0.labels < $1.labels }
        let samples = family.collect.map { $0() } ?? []
        if series.isEmpty && samples.isEmpty { return }

        write("# HELP \(name) \(escaped(family.help, quotes: false))\n")
        write("# TYPE \(name) \(family.kind.rawValue)\n")
        for (labels, source) in series {
            switch source {
            case .counter(let counter): line(name, labels, String(counter.value))
            case .gauge(let gauge): line(name, labels, number(gauge.value))
            case .histogram(let histogram): append(name, labels, histogram)
            }
        }
        for (labels, value) in samples.map({ (labelText($0.labels), $0.value) }).sorted(by: { $0.0 < $1.0 }) {
            line(name, labels, number(value))
        }
    }

    private mutating func append(_ name: String, _ labels: String, _ histogram: Histogram) {
        let (counts, sum) = histogram.snapshot
        var total: UInt64 = 0
        for (index, count) in counts.enumerated() {
            total += count
            let bound = index < histogram.bounds.count ? number(histogram.bounds[index]) : "+Inf"
            line(name + "_bucket", (labels.isEmpty ? "" : labels + ",") + "le=\"\(bound)\"", String(total))
        }
        line(name + "_sum", labels, number(sum))
        line(name + "_count", labels, String(total))
    }

    private mutating func line(_ name: String, _ labels: String, _ value: String) {
        write(labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n")
    }

    private mutating func write(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    private func labelText(_ labels: MetricLabels) -> String {
        labels.sorted { $0.key < $1.key }
            .map { "\($0.key)=\"\(escaped($0.value, quotes: true))\"" }
            .joined(separator: ",")
    }

    private func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Whole numbers without a fraction or exponent, so that they can be read and compared by eye.
    private func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value.magnitude < 1e15, value == value.rounded() { return String(Int64(value)) }
        return value.description
    }
}
