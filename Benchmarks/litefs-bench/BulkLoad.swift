import POSIX

// A load of gigabytes without a journal, as zero-cache makes its replica.
extension Scenario {
    /// Rows of some 560 bytes with an index on their key.
    private static func load(_ path: String, rows: Int64) throws {
        let connection = try Connection(path)
        try connection.execute(
            """
            PRAGMA locking_mode = EXCLUSIVE;
            PRAGMA foreign_keys = OFF;
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            BEGIN EXCLUSIVE;
            CREATE TABLE item(id TEXT PRIMARY KEY, n INTEGER, body TEXT)
            """
        )
        let text = String(repeating: hundredBytes, count: 4)
        let insert = try connection.prepare(
            "INSERT INTO item VALUES (printf('i%012d', ?1), ?1, hex(randomblob(50)) || '\(text)')"
        )
        for row in 1...rows { try insert.number(row) }
        try connection.execute("COMMIT; PRAGMA synchronous = NORMAL")
    }

    static func bulkLoad(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        let rows = Int64(options.scaled(3_500_000))
        var (native, litefs, staged, captured) = (Samples(), Samples(), Samples(), Samples())
        var megabytes = 0
        for _ in 0..<3 {
            native.append(try seconds { try load(cluster.native + "/load.db", rows: rows) })
            let before = (try? cluster.primary.recordCount(of: "load.db", isPublished: true)) ?? 0
            let loading = try seconds { try load(cluster.mount + "/load.db", rows: rows) }
            let waiting = try seconds {
                try cluster.primary.wait(for: "record of the load") {
                    ((try? cluster.primary.recordCount(of: "load.db", isPublished: true)) ?? 0) > before
                }
            }
            litefs.append(loading)
            captured.append(waiting)
            let name = cluster.mount + "/load.db"
            staged.append(
                try seconds {
                    try load(name + ".tmp", rows: rows)
                    try Files.rename(name + ".tmp", name)
                }
            )
            megabytes = Int(try Files.status(cluster.mount + "/load.db").size / 1_000_000)
            try cluster.remove("load.db")
        }
        let peak = Double(try cluster.primary.memory("VmHWM")) / 1024
        return [
            Measurement(
                "bulk-load",
                "a load of \(megabytes) MB without a journal",
                seconds: litefs,
                against: native,
                .timesNative,
                target: .atMost(1.3)
            ),
            Measurement(
                "bulk-load-staged",
                "the same in a local file that gets the database's name",
                seconds: staged,
                against: native,
                .timesNative,
                target: .atMost(1.3)
            ),
            Measurement(
                "bulk-load-captured",
                "until a record of it is stored, after its end",
                value: captured.median,
                .seconds,
                target: nil
            ),
            Measurement(
                "bulk-load-memory",
                "most memory of the daemon",
                value: peak,
                .mebibytes,
                target: .atMost(128)
            ),
        ]
    }
}
