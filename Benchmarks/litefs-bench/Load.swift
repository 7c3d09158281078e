import POSIX

// What commits cost: the processor, the time of a single one, with replicas, for long, and in large databases.
extension Scenario {
    private static let table = """
        PRAGMA journal_mode = wal;
        PRAGMA synchronous = NORMAL;
        CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, text TEXT)
        """

    private static let insertion = "INSERT INTO t(text) VALUES ('\(hundredBytes)')"

    static func processor(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        try cluster.startReplica()
        let connection = try Connection(cluster.primary.mount + "/processor.db")
        try connection.execute(table)
        try cluster.awaitReplica("processor.db")
        let insert = try connection.prepare(insertion)
        let count = options.scaled(30_000)
        let nodes = [cluster.primary, cluster.replica]
        var samples = [Samples(), Samples()]
        for round in 0...options.rounds {
            let before = try nodes.map { try $0.processorSeconds() }
            for _ in 0..<count { try insert.number() }
            try cluster.awaitReplica("processor.db")
            let after = try nodes.map { try $0.processorSeconds() }
            guard round > 0 else { continue }
            for index in nodes.indices {
                samples[index].append((after[index] - before[index]) / Double(count) * 1e6)
            }
        }
        return nodes.indices.map { index in
            var result = Measurement(
                "processor-\(nodes[index].name)",
                "processor time of the \(nodes[index].name) for a commit of one row",
                value: samples[index].median,
                .microseconds,
                target: .atMost(60)
            )
            result.samples = samples[index].values
            return result
        }
    }

    static func commitLatency(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        let count = options.scaled(5000)
        func latencies(in folder: String) throws -> Samples {
            let connection = try Connection(folder + "/tail.db")
            try connection.execute(table)
            let insert = try connection.prepare(insertion)
            var samples = Samples()
            for number in 0..<count {
                samples.append(try seconds { try insert.number() } * 1e6)
                // Commits of a program that does something else between them.
                pause(.microseconds(200 + number * 37 % 200))
            }
            return samples
        }
        let native = try latencies(in: cluster.native)
        // Other scenarios want one replica, or none.
        defer { try? cluster.startReplicas(0) }
        return try [0, 1, 10]
            .flatMap { replicas in
                try cluster.startReplicas(replicas)
                let samples = try latencies(in: cluster.primary.mount)
                return [0.5, 0.99]
                    .map { share in
                        var result = Measurement(
                            "commit-latency-\(replicas)-p\(Int(share * 100))",
                            "COMMIT of one row, p\(Int(share * 100)), \(replicas) replica\(replicas == 1 ? "" : "s")",
                            value: samples.percentile(share),
                            .microseconds,
                            target: nil
                        )
                        result.native = decimal(native.percentile(share)) + " us"
                        return result
                    }
            }
    }

    static func burst(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        try cluster.startReplica()
        let duration = Duration.seconds(options.isQuick ? 10 : 60)
        let connection = try Connection(cluster.primary.mount + "/burst.db")
        try connection.execute(table)
        try cluster.awaitReplica("burst.db")
        let insert = try connection.prepare(insertion)
        let files = try cluster.primary.recordCount(of: "burst.db")
        let start = MonotonicTime.now
        var count = 0
        while MonotonicTime.now - start < duration {
            for _ in 0..<100 { try insert.number() }
            count += 100
        }
        let time = (MonotonicTime.now - start).seconds
        let lag = try seconds { try cluster.awaitReplica("burst.db") }
        let recorded = try cluster.primary.recordCount(of: "burst.db") - files
        return [
            Measurement(
                "burst-commits",
                "commits of one row for \(Int(duration.seconds)) s, while a replica follows",
                value: Double(count) / time,
                .perSecond,
                target: nil
            ),
            Measurement(
                "burst-files",
                "LTX files of them",
                value: Double(recorded) / time,
                .perSecond,
                target: .atMost(400)
            ),
            Measurement(
                "burst-lag",
                "until the replica is in step after them",
                value: lag * 1000,
                .milliseconds,
                target: .below(100)
            ),
        ]
    }

    /// The same commits in databases of three sizes, most of which is holes.
    static func sizes(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        try [(10, "10 MB"), (1000, "1 GB"), (10_000, "10 GB")]
            .map { megabytes, size in
                for folder in [cluster.native, cluster.mount] {
                    try cluster.remove("size.db")
                    try makeLarge(folder + "/size.db", megabytes: megabytes)
                }
                let count = options.scaled(5000)
                let pairs = try Pairs(
                    rounds: options.rounds,
                    native: cluster.native,
                    mount: cluster.mount
                ) { folder in
                    let connection = try Connection(folder + "/size.db")
                    try connection.execute(table)
                    let insert = try connection.prepare(insertion)
                    return Double(count) / (try seconds { for _ in 0..<count { try insert.number() } })
                }
                return Measurement(
                    "sizes-\(megabytes)",
                    "commits of one row in a database of \(size)",
                    pairs,
                    per: "/s",
                    atLeast: nil
                )
            }
    }

    /// Makes a database whose header says that it has pages which are holes.
    private static func makeLarge(_ path: String, megabytes: Int) throws {
        do {
            let connection = try Connection(path)
            try connection.execute(
                "PRAGMA page_size = 4096; CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT)"
            )
        }
        let pages = UInt32(megabytes * 1_000_000 / 4096)
        let file = try FileDescriptor.open(path, .readWrite)
        try file.truncate(to: Int64(pages) * 4096)
        // "The size of the database file in pages" (SQLite file format, 1.3).
        try file.write([24, 16, 8, 0].map { UInt8(truncatingIfNeeded: pages >> $0) }, at: 28)
    }
}
