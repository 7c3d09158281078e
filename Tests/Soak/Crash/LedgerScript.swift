import Harness

/// SQL for the `sqlite3` program that commits transactions which can be checked afterwards, and prints each that is committed.
///
/// Each adds a row to `ledger` and moves an amount between `giving` and `taking`, whose sums agree at every commit.
struct LedgerScript {
    /// Lines for the program.
    private(set) var lines: [String] = [".bail on", ".timeout 10000"]
    private var random: Seed.Sequence
    /// Number of the transaction that was added last.
    private(set) var last: Int

    /// A script that continues after a transaction.
    init(after last: Int, _ random: inout Seed.Sequence) {
        self.last = last
        self.random = Seed.Sequence(seed: random.next())
    }

    /// The script's text.
    var text: String { lines.joined(separator: "\n") + "\n" }

    /// Adds statements or commands of the program.
    mutating func add(_ line: String) { lines.append(line) }

    /// Makes the tables, in a journal mode.
    mutating func begin(_ mode: String, synchronous: String = "FULL", pageSize: Int? = nil) {
        if let pageSize { add("PRAGMA page_size=\(pageSize);") }
        add("PRAGMA journal_mode=\(mode);")
        add("PRAGMA synchronous=\(synchronous);")
        add("PRAGMA cache_size=20;")
        add(Self.tables)
    }

    /// The tables.
    static let tables =
        "CREATE TABLE IF NOT EXISTS ledger(n INTEGER PRIMARY KEY, square INTEGER, b BLOB);"
        + "CREATE TABLE IF NOT EXISTS giving(id INTEGER PRIMARY KEY, v INTEGER);"
        + "CREATE TABLE IF NOT EXISTS taking(id INTEGER PRIMARY KEY, v INTEGER);"

    /// Adds transactions with blobs of up to so many bytes, now and then a large one.
    mutating func commit(_ count: Int, bytes: Int = 600, large: Int = 120_000) {
        for _ in 0..<count {
            let size = random.next() % 8 == 0 ? large : bytes
            commit(exactly: Int(random.next() % UInt64(size + 1)))
        }
    }

    /// Adds one transaction with a blob of a size.
    mutating func commit(exactly bytes: Int) {
        last += 1
        add("BEGIN IMMEDIATE;")
        add(Self.change(last, bytes: bytes, amount: Int(random.next() % 1000)))
        add("COMMIT;")
        add(".print ack \(last)")
    }

    /// The statements of a transaction.
    static func change(_ n: Int, bytes: Int, amount: Int) -> String {
        """
        INSERT INTO ledger VALUES(\(n), \(n) * \(n), randomblob(\(bytes))); \
        INSERT INTO giving VALUES(\(n % 50), \(amount)) ON CONFLICT(id) DO UPDATE SET v = v + \(amount); \
        INSERT INTO taking VALUES(\(n % 37), \(amount)) ON CONFLICT(id) DO UPDATE SET v = v + \(amount);
        """
    }

    /// Removes the blobs, and gives the space back to the file.
    mutating func shrink() {
        add("UPDATE ledger SET b = NULL;")
        add("VACUUM;")
    }

    /// Asks whether all acknowledged transactions are there, and nothing half done: `1|1|1`.
    static func check(_ acknowledged: Set<Int>) -> String {
        """
        SELECT (SELECT count(*) FROM ledger WHERE n IN (\(acknowledged.sorted().map(String.init).joined(separator: ","))))
            = \(acknowledged.count),
            (SELECT total(square) = total(n * n) FROM ledger),
            (SELECT total(v) FROM giving) = (SELECT total(v) FROM taking);
        """
    }
}
