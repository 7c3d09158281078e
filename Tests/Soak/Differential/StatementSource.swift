/// Makes up statements; the same seed makes the same ones.
///
/// Tables have a few fixed names and all the columns `id`, `a`, `b` and `c`, so that most statements mean something; those that do
/// not must fail alike on both sides.
struct StatementSource {
    var chance: Chance

    static let tables = ["t0", "t1", "t2", "t3", "t4"]
    /// How many different keys there are in a table; it bounds the size of a database.
    static let keys = 150

    /// Something random for a connection, on one line.
    mutating func statement(for connection: TwinConnection) -> String {
        let schema = chance.pick(connection.schemas)
        switch chance.below(100) {
        case 0..<42: return change(schema)
        case 42..<52: return question(schema)
        case 52..<72: return transaction(isOpen: connection.isInTransaction)
        case 72..<82: return definition(schema)
        case 82..<94: return setting(schema)
        case 94..<97: return temporary(schema)
        default: return rebuild(schema, isInTransaction: connection.isInTransaction)
        }
    }

    // MARK: - Rows

    /// A number of bytes: mostly few, sometimes several hundred KiB.
    mutating func size() -> Int {
        switch chance.below(40) {
        case 0...1: 0
        case 2..<20: chance.below(200)
        case 20..<32: chance.below(3000)
        case 32..<37: chance.below(20_000)
        case 37...38: chance.below(100_000)
        default: chance.below(600_000)
        }
    }

    mutating func content(_ bytes: Int) -> String { "content(\(chance.below(1_000_000_000)),\(bytes))" }

    mutating func table(_ schema: String) -> String { "\(schema).\(chance.pick(Self.tables))" }

    mutating func range() -> String {
        let first = chance.below(Self.keys)
        return "id BETWEEN \(first) AND \(first + chance.below(1 + chance.below(60)))"
    }

    /// Several rows at once.
    mutating func rows(_ verb: String, _ table: String) -> String {
        let (first, count) = (chance.below(Self.keys), 1 + chance.below(40))
        let bytes = min(size(), 400_000 / count)
        return
            "\(verb) INTO \(table)(id,a,b,c) WITH RECURSIVE n(i) AS (SELECT \(first) UNION ALL SELECT i+1 FROM n WHERE i<\(first + count - 1)) SELECT i, i*7%100, content(i+\(chance.below(1_000_000)),\(bytes)), printf('%d words %d',i,\(chance.below(1000))) FROM n"
    }

    private mutating func change(_ schema: String) -> String {
        let table = table(schema)
        let verb = chance.pick([
            "REPLACE", "REPLACE", "REPLACE", "INSERT", "INSERT OR IGNORE", "INSERT OR FAIL",
            "INSERT OR ROLLBACK",
        ])
        switch chance.below(12) {
        case 0..<4:
            let (key, number) = (chance.below(Self.keys), chance.below(1000))
            return
                "\(verb) INTO \(table)(id,a,b,c) VALUES(\(key),\(number),\(content(size())),'word \(number)')"
        case 4..<6: return rows(verb, table)
        case 6: return "UPDATE \(table) SET b=\(content(size())) WHERE id=\(chance.below(Self.keys))"
        case 7: return "UPDATE \(table) SET a=a+1, c=c||' more' WHERE \(range())"
        case 8:
            return "UPDATE \(table) SET b=content(a+\(chance.below(1000)),\(size() / 20)) WHERE \(range())"
        case 9: return "DELETE FROM \(table) WHERE \(range())"
        case 10: return "DELETE FROM \(table) WHERE length(b)>\(chance.below(60_000))"
        default:
            return chance.once(in: 4)
                ? "DELETE FROM \(table)"
                : "INSERT INTO \(schema).f0(c) VALUES('some words \(chance.below(1000))')"
        }
    }

    private mutating func question(_ schema: String) -> String {
        let table = table(schema)
        switch chance.below(10) {
        case 0...1: return "SELECT count(*), sum(a), sum(length(b)), max(c) FROM \(table)"
        case 2: return "SELECT * FROM \(table) WHERE \(range())"
        case 3: return "SELECT id, a, b FROM \(table) ORDER BY a, id"
        case 4: return "SELECT type, name, tbl_name, sql FROM \(schema).sqlite_schema ORDER BY name"
        case 5: return "PRAGMA \(schema).integrity_check"
        case 6:
            return "PRAGMA \(schema).page_count; PRAGMA \(schema).freelist_count; PRAGMA \(schema).page_size"
        case 7: return "PRAGMA \(schema).user_version; PRAGMA \(schema).schema_version; PRAGMA data_version"
        case 8: return "SELECT count(*) FROM \(schema).f0('words'); SELECT * FROM \(schema).v0"
        default: return "SELECT name FROM pragma_database_list; PRAGMA \(schema).journal_mode"
        }
    }

    private mutating func transaction(isOpen: Bool) -> String {
        let mark = "s\(chance.below(3))"
        guard isOpen else {
            return chance.pick([
                "BEGIN", "BEGIN", "BEGIN IMMEDIATE", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE",
                "SAVEPOINT \(mark)",
            ])
        }
        return chance.pick([
            "COMMIT", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT \(mark)", "SAVEPOINT \(mark)",
            "SAVEPOINT \(mark)",
            "ROLLBACK TO \(mark)", "ROLLBACK TO \(mark)", "RELEASE \(mark)",
        ])
    }
}
