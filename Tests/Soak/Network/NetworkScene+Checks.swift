import Harness
import JSON
import POSIX

extension NetworkScene {
    /// Whether a replica says that it is connected, everywhere it can say so.
    static func isConnected(_ replica: DaemonProcess) throws -> Bool {
        let hostname = try replica.info()["primary"]?["hostname"]?.string ?? ""
        return !hostname.isEmpty && Files.exists(replica.path(".primary"))
    }

    /// How many streams the primary serves.
    func streams() throws -> Int {
        Int(try required(try primary.metric("litefs_http_stream_count"), "a number of streams"))
    }

    /// The replica notices in time that its primary is gone, says so, and its lag grows.
    func expectNotices(_ replica: DaemonProcess, since start: MonotonicTime) throws {
        let name = replica.settings.name
        try eventually("\(name) notices", within: Self.promised + Self.slack - (.now - start)) {
            let info = try replica.info()
            return info["primary"]?["hostname"]?.string == "" && info["connectionError"]?.string != nil
                && !Files.exists(replica.path(".primary"))
        }
        note("noticed by the replica", since: start)
        try check(
            replica.runLog.contains("disconnected from primary with error, retrying"),
            "\(name) logs that its primary is gone"
        )
        let first = try required(try replica.info()["lag"]?.integer, "\(name) has a lag")
        try eventually("the lag of \(name) grows from \(first) ms", within: .seconds(2)) {
            try (replica.info()["lag"]?.integer ?? 0) > first
        }
    }

    /// The primary ends streams in time whose receiver is gone, so that so many are left.
    func expectStreams(_ count: Int, since start: MonotonicTime) throws {
        var found = 0
        try eventually(
            "the primary serves \(count) streams, not \(found)",
            within: Self.promised + Self.slack - (.now - start)
        ) {
            found = try streams()
            return found == count
        }
        note("noticed by the primary", since: start)
    }

    /// The replica is connected in time after the way is free again.
    func expectReconnects(_ replica: DaemonProcess, since start: MonotonicTime) throws {
        try eventually(
            "\(replica.settings.name) is connected again; log:\n\(replica.log.suffix(1000))",
            within: Self.promised + Self.slack
        ) { try Self.isConnected(replica) }
        note("connected again", since: start)
    }

    /// All replicas come to hold what the primary holds, and nobody complains of anything any more.
    func expectSound(within limit: Duration = .seconds(30)) throws {
        for (index, replica) in cluster.replicas.enumerated() {
            try expectConverged(
                Self.database,
                primary,
                replica,
                isReplayed: index == 0 && !forgets,
                within: limit
            )
            try eventually("\(replica.settings.name) is connected") { try Self.isConnected(replica) }
            try eventually("\(replica.settings.name) is ready") {
                try replica.get("/health/ready").status == 200
            }
        }
        for node in cluster.nodes {
            let info = try node.info()
            try check(info["connectionError"] == nil, "\(node.settings.name) is connected: \(info)")
            let faults = info["databases"]?[0]?["faults"]
            try check(faults == .array([]), "\(node.settings.name) has no faults: \(info)")
        }
        try eventually("\(cluster.replicas.count) streams") { try streams() == cluster.replicas.count }
    }

    /// What each node holds now.
    func facts() throws -> [Int32: ProcessFacts] {
        var facts: [Int32: ProcessFacts] = [:]
        for pid in cluster.nodes.compactMap({ $0.daemonPID }) { facts[pid] = try ProcessFacts(of: pid) }
        return facts
    }

    /// No process holds more descriptors or threads than before; those that were started since do not count.
    func expectNoLeaks(since before: [Int32: ProcessFacts]) throws {
        for node in cluster.nodes {
            guard let pid = node.daemonPID, let old = before[pid] else { continue }
            var now = old
            try eventually("\(node.settings.name) has \(old) again, not \(now)") {
                now = try ProcessFacts(of: pid)
                return now.descriptors <= old.descriptors && now.threads <= old.threads
            }
        }
    }

    /// Says how long something took, and counts the longest time.
    func note(_ what: String, since start: MonotonicTime) {
        let milliseconds = Int((MonotonicTime.now - start).nanoseconds / 1_000_000)
        let name = "ms until \(what), at most"
        round.tally.add(name, max(0, milliseconds - round.tally[name]))
    }
}
