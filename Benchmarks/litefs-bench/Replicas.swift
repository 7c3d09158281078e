import POSIX

// What a replica sees, and when.
extension Scenario {
    static func latency(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        try cluster.startReplica()
        let writer = try Connection(cluster.primary.mount + "/latency.db")
        try writer.execute(
            """
            PRAGMA journal_mode = wal;
            PRAGMA synchronous = NORMAL;
            CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT)
            """
        )
        try cluster.awaitReplica("latency.db")
        return try [
            ("latency-tight", "COMMIT to visible on the replica, reader polls without pause", Duration.zero),
            ("latency-pauses", "the same, reader pauses 0.5 ms", .microseconds(500)),
        ]
        .flatMap { name, title, rest in
            let samples = try latencies(cluster, writer, count: options.scaled(2000), readerPause: rest)
            var median = Measurement(
                name + "-p50",
                title + ", p50",
                value: samples.percentile(0.5),
                .milliseconds,
                target: .below(0.5)
            )
            median.samples = samples.values
            return [
                median,
                Measurement(
                    name + "-p99",
                    title + ", p99",
                    value: samples.percentile(0.99),
                    .milliseconds,
                    target: .below(5)
                ),
            ]
        }
    }

    /// Milliseconds from the return of COMMIT on the primary to the return of the SELECT on the replica that shows it.
    private static func latencies(
        _ cluster: Cluster,
        _ writer: Connection,
        count: Int,
        readerPause: Duration
    ) throws -> Samples {
        let insert = try writer.prepare("INSERT INTO t(text) VALUES ('\(hundredBytes)')")
        let first = try writer.number("SELECT coalesce(max(id), 0) FROM t") + 1
        let watch = Watch(
            path: cluster.replica.mount + "/latency.db",
            first: first,
            count: count,
            pause: readerPause,
            deadline: .now + Node.limit
        )
        let reader = Thread("reader") { watch.run() }
        defer { reader.join() }
        var committed: [MonotonicTime] = []
        do {
            for number in 0..<count {
                try insert.number()
                committed.append(.now)
                // Single commits, not a stream of them, and not in step with the reader.
                pause(.microseconds(1000 + number * 37 % 1000))
            }
        } catch {
            watch.giveUp()
            throw error
        }
        reader.join()
        var samples = Samples()
        for (commit, visible) in zip(committed, try watch.result()) {
            samples.append(max(0, (visible - commit).seconds * 1000))
        }
        return samples
    }

    static func freshReplica(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        let rows = Int64(options.scaled(190_000))
        let source = cluster.native + "/fresh.db"
        for folder in [cluster.native, cluster.primary.mount] {
            try fill(folder + "/fresh.db", rows: rows, bytes: 1000)
        }
        let copy = cluster.native + "/fresh.copy"
        var native = Samples()
        var litefs = Samples()
        for round in 0...options.rounds {
            let copying = try seconds {
                let exit = try ChildProcess(["cp", "--reflink=never", source, copy]).waitForExit()
                guard exit == .code(0) else { throw BenchmarkError("cp: \(exit)") }
                try FileDescriptor.open(copy, .readWrite).synchronize()
            }
            try Files.unlink(copy)
            cluster.stopReplica()
            try cluster.replica.forget()
            let fetching = try seconds {
                try cluster.startReplica()
                try cluster.awaitReplica("fresh.db")
            }
            guard round > 0 else { continue }
            native.append(copying)
            litefs.append(fetching)
        }
        let megabytes = Int(((try? Files.status(source).size) ?? 0) / 1_000_000)
        return [
            Measurement(
                "fresh-replica",
                "a fresh replica of \(megabytes) MB, against cp and fsync",
                seconds: litefs,
                against: native,
                .timesNative,
                target: .atMost(2)
            )
        ]
    }
}
