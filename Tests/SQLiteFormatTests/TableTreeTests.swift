import CSQLite
import POSIX
import SQLiteFormat
import Testing

/// A database that SQLite made, and a reader of its file.
private func tree(_ sql: String, pageSize: UInt32 = 1024) throws -> TableTree {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.db"
    var connection: OpaquePointer?
    try #require(sqlite3_open(path, &connection) == SQLITE_OK)
    defer { sqlite3_close(connection) }
    try #require(sqlite3_exec(connection, "PRAGMA page_size=\(pageSize);" + sql, nil, nil, nil) == SQLITE_OK)
    let bytes = try Files.read(path)
    let size = try #require(PageSize(pageSize))
    return TableTree(pageSize: size) { page, buffer in
        let start = (Int(page.rawValue) - 1) * size.bytes
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        guard start >= 0, start + size.bytes <= bytes.count else { return }
        buffer.copyBytes(from: bytes[start..<start + size.bytes])
    }
}

@Test func rowsOfASmallTableAreRead() throws {
    let tree = try tree(
        "CREATE TABLE t(a, b, c, d, e); INSERT INTO t(rowid, a, b, c, d, e) VALUES"
            + "(-5, 'ä', 0, 1, -1, NULL), (7, '', 300, -70000, 1099511627776, 1.5), (9, x'00', -9223372036854775808, 'x', 2, 3)"
    )
    let root = try #require(tree.tables()["t"])
    let rows = tree.rows(of: root, columns: 5)
    #expect(rows.map(\.id) == [-5, 7, 9])
    #expect(rows[0].columns == [.text("ä"), .integer(0), .integer(1), .integer(-1), .other])
    #expect(rows[1].columns == [.text(""), .integer(300), .integer(-70000), .integer(1 << 40), .other])
    #expect(rows[2].columns == [.other, .integer(.min), .text("x"), .integer(2), .integer(3)])
    #expect(rows[2].texts == ["x"])
    #expect(tree.lastRowID(of: root) == 9)
}

@Test(arguments: [512, 4096, 65536] as [UInt32])
func tablesOfAnySchemaAndTheLastRowOfAnyTableAreFound(pageSize: UInt32) throws {
    let many = (1...80)
        .map { "CREATE TABLE \"t \($0)\"(a, b DEFAULT '\(String(repeating: "x", count: 200))');" }
    let tree = try tree(
        many.joined()
            + "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < 5000) "
            + "INSERT INTO \"t 80\" SELECT i, 'y' FROM n; CREATE TABLE w(a PRIMARY KEY) WITHOUT ROWID; INSERT INTO w VALUES(1)",
        pageSize: pageSize
    )
    let tables = tree.tables()
    #expect(tables.count == 81)
    #expect(tree.lastRowID(of: try #require(tables["t 80"])) == 5000)
    #expect(tree.lastRowID(of: try #require(tables["t 1"])) == nil)
    #expect(tree.lastRowID(of: try #require(tables["w"])) == nil)
}

@Test func pagesThatMakeNoSenseAreNoRows() throws {
    var random = SystemRandomNumberGenerator()
    let size = try #require(PageSize(512))
    for _ in 0..<100 {
        let seed = UInt64.random(in: 0 ... .max, using: &random)
        let tree = TableTree(pageSize: size) { page, buffer in
            var state = seed &+ UInt64(page.rawValue % 7)
            for index in buffer.indices {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                buffer[index] = UInt8(truncatingIfNeeded: state >> 33)
            }
            // Pages that look like those of a table, or everything would end at once.
            let start = page == .first ? 100 : 0
            buffer[start] = state % 2 == 0 ? 5 : 13
        }
        _ = tree.tables()
        _ = tree.rows(of: PageNumber(3), columns: 9)
        _ = tree.lastRowID(of: PageNumber(2))
    }
}
