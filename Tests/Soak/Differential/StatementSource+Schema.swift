// Statements that change the schema, the settings or the whole file.
extension StatementSource {
    static let pageSizes = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]

    /// What makes the tables, each of another kind.
    private static func tableDefinition(_ schema: String, _ index: Int) -> String {
        let columns = [
            "id INTEGER PRIMARY KEY, a, b BLOB, c TEXT",
            "id INTEGER PRIMARY KEY AUTOINCREMENT, a, b BLOB, c TEXT DEFAULT 'none'",
            "id TEXT PRIMARY KEY, a, b BLOB, c TEXT) WITHOUT ROWID --",
            "id INTEGER, a UNIQUE, b BLOB, c TEXT, PRIMARY KEY(id, c)",
            "id INTEGER PRIMARY KEY, a CHECK(a < 900), b BLOB, c TEXT, d AS (a * 2) STORED, e AS (length(b))",
        ]
        return "CREATE TABLE IF NOT EXISTS \(schema).t\(index)(\(columns[index]))"
    }

    /// All that a fresh database needs for the other statements to mean something.
    static func tables(_ schema: String) -> [String] { tables.indices.map { tableDefinition(schema, $0) } }

    mutating func definition(_ schema: String) -> String {
        let number = chance.below(Self.tables.count)
        let (table, index) = ("t\(number)", "\(schema).i\(number)\(chance.below(2))")
        switch chance.below(16) {
        case 0..<4: return Self.tableDefinition(schema, number)
        case 4: return "DROP TABLE \(schema).\(table)"
        case 5...6:
            return "CREATE INDEX \(index) ON \(table)(\(chance.pick(["a", "c", "a, c DESC", "length(b)"])))"
        case 7: return "CREATE INDEX \(index) ON \(table)(b) WHERE length(b) < 300"
        case 8: return "CREATE UNIQUE INDEX \(index) ON \(table)(a, c)"
        case 9: return "DROP INDEX \(index)"
        case 10: return "ALTER TABLE \(schema).\(table) ADD COLUMN x\(chance.below(9)) DEFAULT 'added'"
        case 11: return "CREATE VIRTUAL TABLE IF NOT EXISTS \(schema).f0 USING fts5(c)"
        case 12:
            return chance.once(in: 2)
                ? "CREATE VIEW IF NOT EXISTS \(schema).v0 AS SELECT count(*) FROM \(table)"
                : "DROP VIEW \(schema).v0"
        case 13:
            return
                "CREATE TRIGGER IF NOT EXISTS \(schema).g\(number) AFTER UPDATE ON \(table) WHEN new.a % 5 = 0 BEGIN DELETE FROM \(table) WHERE id = new.id + 1; END"
        case 14: return "ANALYZE \(schema)"
        default: return "REINDEX \(schema).\(table)"
        }
    }

    mutating func setting(_ schema: String) -> String {
        switch chance.below(24) {
        case 0..<4:
            return
                "PRAGMA \(schema).wal_checkpoint(\(chance.pick(["passive", "full", "restart", "truncate"])))"
        case 4..<9:
            // Mode off is a matter of its own: see UnjournalledWrites.
            let mode = chance.pick(["delete", "truncate", "persist", "memory", "wal", "wal", "wal"])
            return "PRAGMA \(schema).journal_mode=\(mode)"
        case 9...10: return "PRAGMA \(schema).synchronous=\(chance.pick(["off", "normal", "full", "extra"]))"
        case 11: return "PRAGMA locking_mode=exclusive"
        case 12: return "PRAGMA locking_mode=normal"
        case 13: return "PRAGMA wal_autocheckpoint=\(chance.pick([0, 1, 3, 20, 1000]))"
        case 14: return "PRAGMA \(schema).journal_size_limit=\(chance.pick([-1, 0, 1000, 100_000]))"
        case 15...16: return "PRAGMA \(schema).cache_size=\(chance.pick([1, 3, 10, 50, 2000, -100]))"
        case 17: return "PRAGMA cache_spill=\(chance.pick(["off", "on", "1", "20"]))"
        case 18: return "PRAGMA \(schema).user_version=\(chance.below(1000))"
        case 19: return "PRAGMA \(schema).application_id=\(chance.below(1000))"
        case 20...21: return "PRAGMA \(schema).incremental_vacuum(\(chance.below(30)))"
        case 22: return "PRAGMA \(schema).mmap_size=\(chance.pick([0, 100_000, 100_000_000]))"
        default: return "PRAGMA \(schema).secure_delete=\(chance.pick(["off", "on", "fast"]))"
        }
    }

    mutating func temporary(_ schema: String) -> String {
        switch chance.below(4) {
        case 0: return "CREATE TEMP TABLE IF NOT EXISTS scratch(id, a, b, c)"
        case 1: return "INSERT INTO temp.scratch SELECT id, a, b, c FROM \(table(schema)) WHERE \(range())"
        case 2: return "REPLACE INTO \(table(schema))(id,a,b,c) SELECT id, a, b, c FROM temp.scratch"
        default: return "DROP TABLE temp.scratch"
        }
    }

    /// Something that writes the whole database anew.
    mutating func rebuild(_ schema: String, isInTransaction: Bool) -> String {
        guard !isInTransaction || chance.once(in: 5) else { return "COMMIT" }
        switch chance.below(5) {
        case 0: return "PRAGMA \(schema).page_size=\(chance.pick(Self.pageSizes)); VACUUM \(schema)"
        case 1:
            return
                "PRAGMA \(schema).auto_vacuum=\(chance.pick(["none", "full", "incremental"])); VACUUM \(schema)"
        case 2: return "VACUUM \(schema) INTO '$DIR/v\(chance.below(2)).db'"
        default: return "VACUUM \(schema)"
        }
    }
}
