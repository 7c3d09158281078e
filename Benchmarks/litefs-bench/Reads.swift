import POSIX

// Reading on the primary's mount.
extension Scenario {
    static func pointSelects(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        let rows: Int64 = 100_000
        let count = options.scaled(100_000)
        for folder in [cluster.native, cluster.mount] {
            try fill(folder + "/points.db", rows: rows, bytes: 100)
        }
        func measure(isCold: Bool, inTransaction: Bool, count: Int) throws -> Pairs {
            try Pairs(rounds: options.rounds, native: cluster.native, mount: cluster.mount) { folder in
                if isCold { try dropCaches(syncing: folder) }
                let connection = try Connection(folder + "/points.db")
                let select = try connection.prepare("SELECT length(content) FROM t WHERE id = ?")
                // Every page once, so that the kernel has them; SQLite's own cache holds a fifth of the database.
                if !isCold { _ = try connection.number("SELECT sum(length(content)) FROM t") }
                if inTransaction { try connection.execute("BEGIN") }
                var id: Int64 = 1
                let time = try seconds {
                    for _ in 0..<count {
                        // A full period of all rows in a scattered order.
                        id = (id * 21 + 11) % rows
                        try select.number(id + 1)
                    }
                }
                if inTransaction { try connection.execute("COMMIT") }
                return Double(count) / time
            }
        }
        var results = [
            Measurement(
                "point-selects",
                "autocommit SELECTs of one row, warm",
                try measure(isCold: false, inTransaction: false, count: count),
                per: "/s",
                atLeast: 0.95
            ),
            Measurement(
                "point-selects-transaction",
                "SELECTs of one row in one transaction, warm",
                try measure(isCold: false, inTransaction: true, count: count),
                per: "/s",
                atLeast: 0.95
            ),
        ]
        if !isOnTmpfs(cluster) {
            results.append(
                Measurement(
                    "point-selects-cold",
                    "autocommit SELECTs of one row, nothing cached",
                    try measure(isCold: true, inTransaction: false, count: options.scaled(5000)),
                    per: "/s",
                    atLeast: nil
                )
            )
        }
        return results
    }

    static func scans(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        let rows = Int64(options.scaled(100_000))
        for folder in [cluster.native, cluster.mount] {
            try fill(folder + "/scan.db", rows: rows, bytes: 1000)
        }
        let megabytes = Double(rows) * 1000 / 1e6
        func measure(isCold: Bool) throws -> Pairs {
            try Pairs(rounds: options.rounds, native: cluster.native, mount: cluster.mount) { folder in
                if isCold { try dropCaches(syncing: folder) }
                let connection = try Connection(folder + "/scan.db")
                if !isCold { _ = try connection.number("SELECT sum(length(content)) FROM t") }
                let time = try seconds { _ = try connection.number("SELECT sum(length(content)) FROM t") }
                return megabytes / time
            }
        }
        let warm = Measurement(
            "warm-scan",
            "full scan, all cached",
            try measure(isCold: false),
            per: " MB/s",
            atLeast: nil
        )
        if isOnTmpfs(cluster) { return [warm] }
        return [
            Measurement(
                "cold-scan",
                "full scan, nothing cached",
                try measure(isCold: true),
                per: " MB/s",
                atLeast: 0.8
            ),
            warm,
        ]
    }

    /// On tmpfs the native file is never cold.
    private static func isOnTmpfs(_ cluster: Cluster) -> Bool {
        Machine(folder: cluster.native).fileSystem == "tmpfs"
    }

    /// Makes the kernel forget the content of all files, those on mounts included.
    private static func dropCaches(syncing folder: String) throws {
        do throws(Errno) {
            try FileDescriptor.open(folder, [.directory]).synchronizeFileSystem()
            let switches = try FileDescriptor.open("/proc/sys/vm/drop_caches", .writeOnly)
            try switches.write(Array("3\n".utf8), at: 0)
        } catch {
            throw NotMeasurable(reason: "/proc/sys/vm/drop_caches: \(error)")
        }
    }

    /// Makes a database with rows that do not compress, all of it in the database file.
    static func fill(_ path: String, rows: Int64, bytes: Int) throws {
        let connection = try Connection(path)
        try connection.execute(
            """
            PRAGMA journal_mode = wal;
            CREATE TABLE t(id INTEGER PRIMARY KEY, content BLOB);
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(rows))
            INSERT INTO t SELECT i, randomblob(\(bytes)) FROM n;
            PRAGMA wal_checkpoint(TRUNCATE)
            """
        )
    }
}
