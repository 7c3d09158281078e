import Metrics
import POSIX
import Testing

@Suite struct MetricsTests {
    private func text(_ registry: MetricsRegistry) -> String {
        String(decoding: registry.exposition(), as: UTF8.self)
    }

    @Test func `an empty registry gives empty text`() {
        #expect(text(MetricsRegistry()) == "")
    }

    @Test func `families and series are sorted, each with help and type`() {
        let registry = MetricsRegistry()
        registry.gauge("litefs_is_primary", help: "Primary status of the node.").set(1)
        registry.counter("litefs_db_commit_count", help: "Number of commits.", labels: ["db": "b.db"])
            .increment()
        let commits = registry.counter("litefs_db_commit_count", help: "", labels: ["db": "a.db"])
        commits.increment(by: 41)
        commits.increment()
        registry.gauge("litefs_lag_seconds", help: "Lag.") { 0.25 }
        #expect(
            text(registry) == """
                # HELP litefs_db_commit_count Number of commits.
                # TYPE litefs_db_commit_count counter
                litefs_db_commit_count{db="a.db"} 42
                litefs_db_commit_count{db="b.db"} 1
                # HELP litefs_is_primary Primary status of the node.
                # TYPE litefs_is_primary gauge
                litefs_is_primary 1
                # HELP litefs_lag_seconds Lag.
                # TYPE litefs_lag_seconds gauge
                litefs_lag_seconds 0.25

                """
        )
    }

    @Test func `help and label values are escaped`() {
        let registry = MetricsRegistry()
        let labels = ["b": "back\\slash", "a": "say \"x\"\n"]
        registry.gauge("g", help: "one \"two\"\nthree\\", labels: labels).set(-3)
        let expected =
            "# HELP g one \"two\"\\nthree\\\\\n# TYPE g gauge\n"
            + "g{a=\"say \\\"x\\\"\\n\",b=\"back\\\\slash\"} -3\n"
        #expect(text(registry) == expected)
    }

    @Test func `a histogram shows cumulative buckets, sum and count`() {
        let registry = MetricsRegistry()
        let histogram = registry.histogram("h", help: "H.", bounds: [0.5, 1, 10], labels: ["db": "d"])
        for value in [0.25, 0.5, 0.75, 5, 100] { histogram.observe(value) }
        #expect(
            text(registry) == """
                # HELP h H.
                # TYPE h histogram
                h_bucket{db="d",le="0.5"} 2
                h_bucket{db="d",le="1"} 3
                h_bucket{db="d",le="10"} 4
                h_bucket{db="d",le="+Inf"} 5
                h_sum{db="d"} 106.5
                h_count{db="d"} 5

                """
        )
    }

    @Test func `computed families may have labels, none, or no value at all`() {
        let registry = MetricsRegistry()
        registry.collect("txid", help: "T.", kind: .gauge) {
            [MetricSample(2, labels: ["db": "b"]), MetricSample(1, labels: ["db": "a"])]
        }
        registry.collect("nothing", help: "N.", kind: .counter) { [] }
        #expect(text(registry) == "# HELP txid T.\n# TYPE txid gauge\ntxid{db=\"a\"} 1\ntxid{db=\"b\"} 2\n")
    }

    @Test(arguments: [
        (0, "0"), (-1, "-1"), (1.5, "1.5"), (1_767_366_245, "1767366245"), (1e14, "100000000000000"),
        (Double.infinity, "+Inf"), (-Double.infinity, "-Inf"), (Double.nan, "NaN"), (1e-7, "1e-07"),
    ])
    func `gauge values are written as Prometheus reads them`(value: Double, written: String) {
        let registry = MetricsRegistry()
        registry.gauge("g", help: "G.").set(value)
        #expect(text(registry) == "# HELP g G.\n# TYPE g gauge\ng \(written)\n")
    }

    @Test func `the same name and labels give the same handle until it is removed`() {
        let registry = MetricsRegistry()
        let first = registry.counter("c", help: "C.", labels: ["db": "d"])
        #expect(registry.counter("c", help: "C.", labels: ["db": "d"]) === first)
        registry.remove(labels: ["db": "d"])
        #expect(text(registry) == "")
        #expect(registry.counter("c", help: "C.", labels: ["db": "d"]) !== first)
    }

    @Test func `series of a family are bounded`() {
        let registry = MetricsRegistry()
        for number in 0..<MetricsRegistry.maximumSeries + 5 {
            registry.counter("c", help: "C.", labels: ["n": String(number)]).increment()
        }
        let lines = text(registry).split(separator: "\n")
        #expect(lines.count == MetricsRegistry.maximumSeries + 2)
    }

    @Test func `concurrent increments and additions are all counted`() {
        let registry = MetricsRegistry()
        let counter = registry.counter("c", help: "C.")
        let gauge = registry.gauge("g", help: "G.")
        let histogram = registry.histogram("h", help: "H.", bounds: [1])
        let threads = (0..<4)
            .map { number in
                Thread("count-\(number)") {
                    for _ in 0..<10_000 {
                        counter.increment()
                        gauge.add(0.5)
                        histogram.observe(2)
                    }
                }
            }
        for thread in threads { thread.join() }
        #expect(counter.value == 40_000)
        #expect(gauge.value == 20_000)
        #expect(histogram.snapshot.counts == [0, 40_000])
        #expect(histogram.snapshot.sum == 80_000)
    }

    @Test func `figures of the process are plausible`() throws {
        let registry = MetricsRegistry()
        ProcessMetrics.register(in: registry)
        var values: [Substring: Double] = [:]
        for line in text(registry).split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: " ")
            values[parts[0]] = Double(parts[1])
        }
        #expect(values.count == 7)
        #expect(try #require(values["process_resident_memory_bytes"]) > 1_000_000)
        #expect(try #require(values["process_open_fds"]) >= 3)
        #expect(try #require(values["process_max_fds"]) >= 64)
        #expect(try #require(values["process_threads"]) >= 1)
        #expect(try #require(values["process_cpu_seconds_total"]) >= 0)
        let now = Double(WallClock.milliseconds) / 1000
        let started = try #require(values["process_start_time_seconds"])
        #expect(started > now - 86_400 && started <= now + 2)
    }
}
