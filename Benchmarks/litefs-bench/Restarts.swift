import POSIX

// What it takes to be back: a replica that was away, a node that starts again.
extension Scenario {
    static func catchUp(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        let connection = try Connection(cluster.primary.mount + "/catchup.db")
        try connection.execute(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = NORMAL; CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT)"
        )
        let insert = try connection.prepare("INSERT INTO t(text) VALUES ('\(hundredBytes)')")
        var samples = Samples()
        for round in 0...options.rounds {
            try cluster.startReplica()
            try cluster.awaitReplica("catchup.db")
            cluster.stopReplica()
            for _ in 0..<options.scaled(2000) { try insert.number() }
            let time = try backInStep(cluster, "catchup.db")
            if round > 0 { samples.append(time) }
        }
        var result = Measurement(
            "catch-up",
            "a replica starts and catches up with \(options.scaled(2000)) commits",
            value: samples.median,
            .seconds,
            target: nil
        )
        result.samples = samples.values
        return [result]
    }

    static func resync(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        let rows = Int64(options.scaled(190_000))
        try fill(cluster.primary.mount + "/resync.db", rows: rows, bytes: 1000)
        let connection = try Connection(cluster.primary.mount + "/resync.db")
        var fresh = Samples()
        var resync = Samples()
        for round in 0...options.rounds {
            cluster.stopReplica()
            try cluster.replica.forget()
            let whole = try backInStep(cluster, "resync.db")
            cluster.stopReplica()
            // A row in every hundredth page or so: four rows are in a page.
            try connection.execute(
                "UPDATE t SET content = randomblob(1000) WHERE id % 400 = \(round); PRAGMA wal_checkpoint(TRUNCATE)"
            )
            try cluster.replica.forgetRecords(of: "resync.db")
            let difference = try backInStep(cluster, "resync.db")
            guard round > 0 else { continue }
            fresh.append(whole)
            resync.append(difference)
        }
        let megabytes = Int(((try? Files.status(cluster.primary.mount + "/resync.db").size) ?? 0) / 1_000_000)
        return [
            Measurement(
                "resync",
                "a replica of \(megabytes) MB without records, 1% of its pages differ, against a fresh one",
                seconds: resync,
                against: fresh,
                .timesFresh,
                target: .below(1)
            )
        ]
    }

    /// Seconds from the start of the replica until it is where the primary is.
    private static func backInStep(_ cluster: Cluster, _ database: String) throws -> Double {
        try seconds {
            try cluster.startReplica()
            try cluster.awaitReplica(database)
        }
    }

    static func restart(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        cluster.stopReplica()
        try fill(cluster.primary.mount + "/restart.db", rows: Int64(options.scaled(975_000)), bytes: 1000)
        let size = try Files.status(cluster.primary.mount + "/restart.db").size
        let title = "the primary starts with a database of \(size / 1_000_000) MB"
        var clean = Samples()
        var unclean = Samples()
        var work = Samples()
        for round in 0...options.rounds {
            cluster.primary.stop()
            let afterStop = try seconds {
                try cluster.primary.start()
                try cluster.primary.awaitMount()
            }
            // Something to be found: a commit that no checkpoint copied. The program is gone, too, when the daemon starts.
            do {
                let connection = try Connection(cluster.primary.mount + "/restart.db")
                try connection.execute("UPDATE t SET content = randomblob(1000) WHERE id = \(round + 1)")
                cluster.primary.kill()
            }
            let afterKill = try seconds {
                try cluster.primary.start()
                try cluster.primary.awaitMount()
            }
            guard round > 0 else { continue }
            clean.append(afterStop)
            unclean.append(afterKill)
            work.append(try cluster.primary.processorSeconds())
        }
        return [
            Measurement(
                "restart-clean",
                title + " after a stop",
                value: clean.median,
                .seconds,
                target: .below(0.3)
            ),
            Measurement(
                "restart-unclean",
                title + " after kill -9",
                value: unclean.median,
                .seconds,
                target: nil
            ),
            Measurement(
                "restart-unclean-cpu",
                "processor time of that start",
                value: work.median,
                .seconds,
                target: .below(1)
            ),
        ]
    }
}
