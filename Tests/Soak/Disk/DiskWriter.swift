import CSQLite
import Harness

/// Commits transactions on the primary while its disk fails, and keeps account of what SQLite said.
///
/// One thread.
final class DiskWriter {
    let mode: String
    private(set) var acknowledged: Set<Int> = []
    /// Extended result codes of what failed, and how often.
    private(set) var codes: [Int32: Int] = [:]
    /// What failed, for a finding.
    private(set) var failures: [String] = []
    private let path: String
    private var connection: SQLiteConnection?
    private var number = 0
    private var random: Seed.Sequence

    /// A writer of a database on a node's mount.
    convenience init(_ database: String, on node: DaemonProcess, mode: String, random: Seed.Sequence) {
        self.init(node.path(database), mode: mode, random: random)
    }

    /// A writer of a database anywhere.
    init(_ path: String, mode: String, random: Seed.Sequence) {
        self.path = path
        self.mode = mode
        self.random = random
    }

    /// Makes the tables; nothing may fail.
    func begin() throws {
        try open().run(LedgerScript.tables)
    }

    /// One transaction, a checkpoint, or something like it; false when any of it failed.
    @discardableResult
    func step(bytes: Int = 20_000) -> Bool {
        let choice = random.next() % 12
        if choice == 0 { close() }
        if choice == 1, mode == "wal" {
            let kind = ["PASSIVE", "RESTART", "TRUNCATE"][Int(random.next() % 3)]
            return attempt("PRAGMA wal_checkpoint(\(kind))")
        }
        if choice == 2 { return attempt("UPDATE ledger SET b = NULL; VACUUM") }
        return commit(bytes: Int(random.next() % UInt64(bytes + 1)))
    }

    /// One transaction of the ledger.
    func commit(bytes: Int) -> Bool {
        number += 1
        let change = LedgerScript.change(number, bytes: bytes, amount: Int(random.next() % 1000))
        guard attempt("BEGIN IMMEDIATE; \(change) COMMIT;") else { return false }
        acknowledged.insert(number)
        return true
    }

    /// Whether the database is damaged, as SQLite documents it for a journal mode of OFF when a write fails.
    var isDamaged: Bool {
        guard mode == "off" else { return false }
        close()
        defer { close() }
        return (try? open().run("PRAGMA integrity_check")) != ["ok"]
    }

    /// Closes the connection; the next step opens another one.
    func close() {
        connection?.close()
        connection = nil
    }

    /// Expects all acknowledged transactions, and none in part.
    func expectAcknowledged() throws {
        close()
        let state = try open().run(LedgerScript.check(acknowledged))
        try check(state == ["1|1|1"], "\(acknowledged.count) acknowledged rows and balance: \(state)")
        close()
    }

    private func open() throws -> SQLiteConnection {
        if let connection { return connection }
        let opened = try SQLiteConnection(path)
        try opened.run(
            "PRAGMA journal_mode=\(mode); PRAGMA synchronous=FULL; PRAGMA cache_size=20; PRAGMA wal_autocheckpoint=30"
        )
        connection = opened
        return opened
    }

    private func attempt(_ sql: String) -> Bool {
        do {
            try open().run(sql)
            return true
        } catch let failure as SQLiteConnection.Failure {
            codes[failure.code, default: 0] += 1
            failures.append("\(failure.message) (\(failure.code))")
            _ = connection?.refusal("ROLLBACK")
            // A connection in an error state recovers by rolling back; a new one would, too.
            if random.next() % 3 == 0 { close() }
            return false
        } catch {
            failures.append("\(error)")
            return false
        }
    }
}
