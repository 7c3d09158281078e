import Harness
import POSIX

/// How long commits take with no replica, and with replicas of which each is a burden of another kind.
enum CommitLatency {
    private enum Company: String, CaseIterable {
        case none, deaf, slow, lost
    }

    private static let repetitions = 5
    private static let rows = 6000
    private static let commits = 200
    private static let peers = 3

    static func measure(_ round: Round) throws {
        try NetworkScene.play(round, replicas: 0) { scene in
            let database = try scene.primary.open("latency.db")
            try database.run("PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, b);")
            // More than the buffers on the way hold: peers stay in the middle of their first snapshot.
            try database.run(filling(rows: rows, bytes: 4000))
            var times: [Company: [Duration]] = [:]
            for repetition in 0..<repetitions {
                for company in Company.allCases.shuffled(using: &round.random) {
                    let number = 20 + repetition * 10
                    let port = try scene.network.port(
                        number + (Company.allCases.firstIndex(of: company) ?? 0)
                    )
                    let found = try batch(company, port, scene, database)
                    times[company, default: []] += found
                }
            }
            database.close()
            try compare(times, round)
        }
    }

    /// Times some commits while peers of a kind are connected; afterwards none is.
    private static func batch(
        _ company: Company,
        _ port: NetworkPort,
        _ scene: NetworkScene,
        _ database: SQLiteConnection
    ) throws -> [Duration] {
        func commit(_ count: Int) throws -> [Duration] {
            try (0..<count)
                .map { _ in
                    let row = 1 + Int(scene.round.random.next() % UInt64(rows))
                    let start = MonotonicTime.now
                    try database.run("UPDATE t SET b = randomblob(4000) WHERE id = \(row)")
                    return .now - start
                }
        }
        guard company != .none else { return try commit(commits) }
        let group = try MuteReplicas(peers, in: port.namespace, to: scene.primary)
        try scene.expectStreams(peers, since: .now)
        // Buffers on the way are full before it counts.
        _ = try commit(commits)
        if company == .lost { try port.lose(.both, to: scene.primaryPort) }
        var reader: Thread?
        let isDone = Guarded(false)
        if company == .slow {
            reader = Thread("slow-reader") {
                while !isDone.withLock({ $0.pointee }) {
                    group.read(4096)
                    pause(.milliseconds(20))
                }
            }
        }
        defer {
            isDone.withLock { $0.pointee = true }
            reader?.join()
        }
        let times = try commit(commits)
        group.end()
        if company == .lost { try scene.expectStreams(0, since: .now) }
        try eventually("no streams are left") { try scene.streams() == 0 }
        return times
    }

    private static func compare(_ times: [Company: [Duration]], _ round: Round) throws {
        func share(_ company: Company, _ percent: Int) -> Double {
            let sorted = (times[company] ?? []).sorted()
            return sorted.isEmpty ? 0 : sorted[sorted.count * percent / 100].seconds * 1e6
        }
        let lines = Company.allCases.map { company in
            "\(company) \(Int(share(company, 50))) and \(Int(share(company, 99))) µs"
        }
        say("network: commits, median and slowest hundredth: " + lines.joined(separator: ", "))
        for company in Company.allCases {
            try check(
                share(company, 50) < share(.none, 50) * 2,
                "replicas do not slow down commits: \(lines)"
            )
        }
        round.tally.add("timed commits", times.values.reduce(0) { $0 + $1.count })
    }
}
