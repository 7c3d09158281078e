import POSIX

// Transactions of one row.

/// A text of 100 bytes.
let hundredBytes = String(repeating: "0123456789", count: 10)

extension Scenario {
    static func walCommits(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        try commits(
            "wal-commits",
            "commits of one row, WAL, synchronous=NORMAL",
            cluster,
            options,
            count: 5000,
            in: "commits.db",
            mode: "wal",
            synchronous: "NORMAL",
            atLeast: options.target(passing: 0.8, intercepted: 0.25)
        )
    }

    static func replicatedWALCommits(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        try cluster.startReplica()
        return try commits(
            "wal-commits-replicated",
            "commits of one row, WAL, NORMAL, while a replica follows",
            cluster,
            options,
            count: 5000,
            in: "commits.db",
            mode: "wal",
            synchronous: "NORMAL",
            atLeast: nil
        )
    }

    static func fullCommits(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        try commits(
            "wal-full-commits",
            "commits of one row, WAL, synchronous=FULL",
            cluster,
            options,
            count: 1000,
            in: "full.db",
            mode: "wal",
            synchronous: "FULL",
            atLeast: options.target(passing: 0.9, intercepted: 0.8)
        )
    }

    static func deleteCommits(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        try commits(
            "delete-commits",
            "commits of one row, DELETE, synchronous=FULL",
            cluster,
            options,
            count: 250,
            in: "delete.db",
            mode: "delete",
            synchronous: "FULL",
            atLeast: 0.75
        )
    }

    /// Commits of one connection, in pairs.
    private static func commits(
        _ name: String,
        _ title: String,
        _ cluster: Cluster,
        _ options: Options,
        count: Int,
        in database: String,
        mode: String,
        synchronous: String,
        atLeast bound: Double?
    ) throws -> [Measurement] {
        let count = options.scaled(count)
        let pairs = try Pairs(rounds: options.rounds, native: cluster.native, mount: cluster.mount) {
            folder in
            try rate(ofCommits: count, in: folder + "/" + database, mode: mode, synchronous: synchronous)
        }
        return [Measurement(name, title, pairs, per: "/s", atLeast: bound)]
    }

    static func fourWriters(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        let count = options.scaled(5000)
        let pairs = try Pairs(rounds: options.rounds, native: cluster.native, mount: cluster.mount) {
            folder in
            let path = folder + "/four.db"
            try Connection(path)
                .execute(
                    "PRAGMA journal_mode = wal; CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, text TEXT)"
                )
            return try Writers.rate(processes: 4, commits: count, in: path)
        }
        return [
            Measurement(
                "wal-commits-4",
                "commits of one row, WAL, NORMAL, four processes",
                pairs,
                per: "/s",
                atLeast: options.target(passing: 0.8, intercepted: 0.25)
            )
        ]
    }

    /// Commits a second.
    ///
    /// The connection stays open between the commits, and closing it is not measured.
    private static func rate(
        ofCommits count: Int,
        in path: String,
        mode: String,
        synchronous: String
    ) throws -> Double {
        let connection = try Connection(path)
        try connection.execute(
            """
            PRAGMA journal_mode = \(mode);
            PRAGMA synchronous = \(synchronous);
            CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, text TEXT)
            """
        )
        let insert = try connection.prepare("INSERT INTO t(text) VALUES ('\(hundredBytes)')")
        let time = try seconds {
            for _ in 0..<count { try insert.number() }
        }
        return Double(count) / time
    }

    static func bulkInsert(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        let count = 200_000
        let pairs = try Pairs(rounds: options.rounds, native: cluster.native, mount: cluster.mount) {
            folder in
            // A new database each time: a table that grows would make later rounds other ones.
            try cluster.remove("bulk.db")
            let connection = try Connection(folder + "/bulk.db")
            try connection.execute(
                """
                PRAGMA journal_mode = wal;
                PRAGMA synchronous = NORMAL;
                CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT)
                """
            )
            let insert = try connection.prepare("INSERT INTO t(text) VALUES ('\(hundredBytes)')")
            let time = try seconds {
                try connection.execute("BEGIN")
                for _ in 0..<count { try insert.number() }
                try connection.execute("COMMIT")
            }
            return Double(count) / time
        }
        return [
            Measurement(
                "bulk-insert",
                "200,000 rows in one transaction, WAL",
                pairs,
                per: " rows/s",
                atLeast: options.target(passing: 0.6, intercepted: 0.45)
            )
        ]
    }
}
