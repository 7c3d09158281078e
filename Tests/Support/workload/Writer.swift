import Glibc

/// Commits transactions that can be checked afterwards, and says on standard output which ones SQLite acknowledged.
///
/// Each adds one row to `ledger` and moves an amount between the tables `giving` and `taking`, whose sums agree at every
/// commit. Some spill the cache, some delete, some are rolled back.
struct Writer {
    private let database: Database
    private let isMixed: Bool
    private var random: SplitMix

    init(path: String, journalMode: String, seed: UInt64, isMixed: Bool, isMade: Bool = true) throws {
        database = try Database(path, isMade: isMade)
        self.isMixed = isMixed
        random = SplitMix(state: seed)
        try database.run(
            "PRAGMA journal_mode=\(journalMode); PRAGMA synchronous=NORMAL; PRAGMA cache_size=20;"
        )
        try database.run(
            """
            CREATE TABLE IF NOT EXISTS ledger(n INTEGER PRIMARY KEY, square INTEGER, b BLOB);
            CREATE TABLE IF NOT EXISTS giving(id INTEGER PRIMARY KEY, v INTEGER);
            CREATE TABLE IF NOT EXISTS taking(id INTEGER PRIMARY KEY, v INTEGER);
            """
        )
    }

    /// Commits until `count` are done, with a pause of some microseconds after each; returns early only by throwing.
    mutating func run(_ count: Int, pause: UInt32) throws {
        var next = try database.number("SELECT max(n) FROM ledger") + 1
        for _ in 0..<count {
            if isMixed, random.below(10) == 0 { try rollBack(next) }
            try database.run("BEGIN IMMEDIATE")
            // Another writer may have been here.
            next = max(next, try database.number("SELECT max(n) FROM ledger") + 1)
            try change(next)
            try database.run("COMMIT")
            say("\(next)")
            next += 1
            if pause > 0 { usleep(pause) }
        }
    }

    private mutating func change(_ n: Int64) throws {
        let amount = 1 + random.below(1000)
        let (from, to) = (random.below(50), random.below(50))
        let bytes = isMixed && random.below(12) == 0 ? 60_000 + random.below(200_000) : random.below(600)
        try database.run(
            """
            INSERT INTO ledger VALUES(\(n), \(n) * \(n), randomblob(\(bytes)));
            INSERT INTO giving VALUES(\(from), \(amount)) ON CONFLICT(id) DO UPDATE SET v = v + \(amount);
            INSERT INTO taking VALUES(\(to), \(amount)) ON CONFLICT(id) DO UPDATE SET v = v + \(amount);
            """
        )
        if isMixed, random.below(20) == 0 {
            try database.run("UPDATE ledger SET b = NULL WHERE n < \(n) - 20 AND b IS NOT NULL")
        }
    }

    private mutating func rollBack(_ n: Int64) throws {
        try database.run("BEGIN IMMEDIATE")
        try database.run(
            "INSERT OR REPLACE INTO ledger VALUES(\(n) + 1000000, 0, randomblob(\(random.below(150_000))))"
        )
        try database.run("ROLLBACK")
    }
}

/// A small random sequence (splitmix64) that a seed repeats.
struct SplitMix {
    var state: UInt64

    /// A number from 0 to `bound` - 1.
    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((z ^ (z >> 31)) % UInt64(bound))
    }
}
