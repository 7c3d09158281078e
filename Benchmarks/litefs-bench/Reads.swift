import POSIX

// Reading on the primary's mount.
extension Scenario {
    static func pointSelects(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        let rows: Int64 = 100_000
        let count = options.scaled(100_000)
        for folder in [cluster.native, cluster.primary.mount] {
            try fill(folder + "/points.db", rows: rows, bytes: 100)
        }
        let pairs = try Pairs(rounds: options.rounds, native: cluster.native, mount: cluster.primary.mount) {
            folder in
            let connection = try Connection(folder + "/points.db")
            let select = try connection.prepare("SELECT length(content) FROM t WHERE id = ?")
            // Every page once, so that the kernel has them; SQLite's own cache holds a fifth of the database.
            _ = try connection.number("SELECT sum(length(content)) FROM t")
            var id: Int64 = 1
            let time = try seconds {
                for _ in 0..<count {
                    // A full period of all rows in a scattered order.
                    id = (id * 21 + 11) % rows
                    try select.number(id + 1)
                }
            }
            return Double(count) / time
        }
        return [
            Measurement(
                "point-selects",
                "autocommit SELECTs of one row, warm",
                pairs,
                per: "/s",
                atLeast: 0.9
            )
        ]
    }

    static func coldScan(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        let rows = Int64(options.scaled(100_000))
        for folder in [cluster.native, cluster.primary.mount] {
            try fill(folder + "/cold.db", rows: rows, bytes: 1000)
        }
        if Machine(folder: cluster.native).fileSystem == "tmpfs" {
            throw NotMeasurable(reason: "on tmpfs the native file is never cold")
        }
        let megabytes = Double(rows) * 1000 / 1e6
        let pairs = try Pairs(rounds: options.rounds, native: cluster.native, mount: cluster.primary.mount) {
            folder in
            try dropCaches(syncing: folder)
            let connection = try Connection(folder + "/cold.db")
            let time = try seconds { _ = try connection.number("SELECT sum(length(content)) FROM t") }
            return megabytes / time
        }
        return [
            Measurement("cold-scan", "full scan, nothing cached", pairs, per: " MB/s", atLeast: 0.5)
        ]
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
