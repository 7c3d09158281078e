import CSQLite
import Glibc
import Harness
import POSIX

/// One database of the workload: its contents can be checked, and it knows what it was promised.
///
/// Table `ledger` has the numbers from some first to the highest one without a gap; those of `giving` and `taking` have the
/// same sum. Numbers go on when the database is dropped and made again. One thread.
final class Ledger {
    /// Its name on the mount.
    let name: String
    let synchronous: Synchronous
    /// The journal modes that it uses.
    let journalModes: [String]
    private(set) var history = LedgerHistory()
    private var journalMode: String
    private var connection: SQLiteConnection?
    private let mount: String

    init(_ name: String, _ synchronous: Synchronous, journalModes: [String], on mount: String) {
        self.name = name
        self.synchronous = synchronous
        self.journalModes = journalModes
        journalMode = journalModes[0]
        self.mount = mount
    }

    private var path: String { mount + "/" + name }
    private var now: Int64 { MonotonicTime.now.nanoseconds }

    /// Whether SQLite itself may be damaged after power failed, by its documentation.
    ///
    /// Without syncs anything can happen. With NORMAL a rollback journal counts before it is on disk as a whole, and a torn
    /// one may pass for sound.
    func mayBeDamaged(isTorn: Bool) -> Bool {
        synchronous == .off || synchronous == .normal && isTorn && journalModes != ["wal"]
    }

    /// Does one thing that programs do to a database.
    func step(_ random: inout Seed.Sequence) throws {
        switch random.next() % 40 {
        case 0: try drop(&random)
        case 1: try replace(&random)
        case 2, 3:
            journalMode = journalModes[Int(random.next() % UInt64(journalModes.count))]
            let mode = try open().value("PRAGMA journal_mode=\(journalMode)")
            try check(mode == journalMode, "\(name) changes to \(journalMode): \(mode)")
        case 4, 5: close()
        case 6, 7, 8: try checkPoint(&random)
        case 9, 10:
            try open().run("BEGIN; INSERT INTO ledger VALUES(-1, 1, randomblob(90000)); ROLLBACK;")
        default: try commit(&random)
        }
    }

    /// Closes the connection; SQLite then tidies up.
    func close() {
        connection?.close()
        connection = nil
    }

    private func open() throws -> SQLiteConnection {
        if let connection { return connection }
        let opened = try Self.open(path, synchronous, journalMode)
        connection = opened
        return opened
    }

    private static func open(
        _ path: String,
        _ synchronous: Synchronous,
        _ mode: String
    ) throws
        -> SQLiteConnection
    {
        let connection = try SQLiteConnection(path)
        try connection.run(
            """
            PRAGMA synchronous=\(synchronous.rawValue); PRAGMA journal_mode=\(mode);
            PRAGMA cache_size=10; PRAGMA wal_autocheckpoint=60;
            CREATE TABLE IF NOT EXISTS ledger(n INTEGER PRIMARY KEY, square INTEGER, b BLOB);
            CREATE TABLE IF NOT EXISTS giving(id INTEGER PRIMARY KEY, v INTEGER);
            CREATE TABLE IF NOT EXISTS taking(id INTEGER PRIMARY KEY, v INTEGER);
            """
        )
        return connection
    }

    /// Adds a number in a transaction.
    func commit(_ random: inout Seed.Sequence) throws {
        let connection = try open()
        let number = history.lastNumber + 1
        history.begin(number, at: now)
        try connection.run(Self.transaction(number, &random))
        history.acknowledge(at: now, synchronous.promise(journalMode))
    }

    private static func transaction(_ number: Int, _ random: inout Seed.Sequence) -> String {
        let bytes = random.next() % 15 == 0 ? 40_000 + random.next() % 80_000 : random.next() % 3000
        let (from, to, amount) = (random.next() % 40, random.next() % 40, 1 + random.next() % 1000)
        let more =
            switch random.next() % 8 {
            case 0: "UPDATE ledger SET b = NULL WHERE n < \(number) - 10;"
            case 1: "DELETE FROM ledger WHERE n < \(number) - 20;"
            default: ""
            }
        return """
            BEGIN IMMEDIATE;
            INSERT INTO ledger VALUES(\(number), \(number) * \(number), randomblob(\(bytes)));
            INSERT INTO giving VALUES(\(from), \(amount)) ON CONFLICT(id) DO UPDATE SET v = v + \(amount);
            INSERT INTO taking VALUES(\(to), \(amount)) ON CONFLICT(id) DO UPDATE SET v = v + \(amount);
            \(more)
            COMMIT;
            """
    }

    private func checkPoint(_ random: inout Seed.Sequence) throws {
        guard journalMode == "wal" else { return try commit(&random) }
        let kinds = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"]
        let kind = kinds[Int(random.next() % UInt64(kinds.count))]
        let result = try open().value("PRAGMA wal_checkpoint(\(kind))").split(separator: "|")
        // A whole checkpoint leaves everything on disk, in the database file.
        if synchronous != .off, result.count == 3, result[0] == "0", result[1] == result[2] {
            history.acknowledge(at: now, .commit)
        }
    }

    private func drop(_ random: inout Seed.Sequence) throws {
        close()
        guard Files.exists(path) else { return }
        history.begin(0, at: now)
        try Files.unlink(path)
        for end in ["-journal", "-wal"] { try Files.unlink(path + end, ifExists: true) }
        try synchronizeNames(&random)
    }

    /// Puts what was done to names on disk, or leaves it.
    private func synchronizeNames(_ random: inout Seed.Sequence) throws {
        guard random.next() % 2 == 0 else { return }
        try Files.synchronizeDirectory(mount)
        if synchronous != .off { history.acknowledge(at: now, .commit) }
    }

    /// Puts another file in the place of the database, as a restore does.
    private func replace(_ random: inout Seed.Sequence) throws {
        close()
        let other = mount + "/next-" + name
        let number = history.lastNumber + 1
        let connection = try Self.open(other, .full, "delete")
        try connection.run(Self.transaction(number, &random))
        connection.close()
        for end in ["-journal", "-wal"] { try Files.unlink(path + end, ifExists: true) }
        history.begin(number, at: now)
        try Files.rename(other, path)
        try synchronizeNames(&random)
    }
}
