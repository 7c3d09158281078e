import POSIX

// Memory of the daemons after work: many commits, and one large transaction.
extension Scenario {
    static func memory(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        try cluster.startReplica()
        let path = cluster.primary.mount + "/memory.db"
        try fill(path, rows: Int64(options.scaled(190_000)), bytes: 1000)
        let connection = try Connection(path)
        try connection.execute("PRAGMA synchronous = NORMAL")
        let insert = try connection.prepare("INSERT INTO t(content) VALUES (randomblob(1000))")
        for _ in 0..<options.scaled(5000) { try insert.number() }
        try cluster.awaitReplica("memory.db")
        let pages = try connection.number("PRAGMA page_count")
        // 64 MiB, 8 bytes a page, and 64 MiB of queued page data.
        let bound = 128 + Double(pages * 8) / 1_048_576
        return try [cluster.primary, cluster.replica]
            .map { node in
                let peak = Double(try node.memory("VmHWM")) / 1024
                var result = Measurement(
                    "memory-" + node.name,
                    "most memory of the \(node.name), \(grouped(Double(pages))) pages",
                    value: peak,
                    .mebibytes,
                    target: .atMost(bound)
                )
                result.litefs = "now " + decimal(Double(try node.memory("VmRSS")) / 1024) + " MiB"
                return result
            }
    }
}
