import CSQLite

/// A connection of the system's SQLite.
///
/// Waits for nobody, so that each `SQLITE_BUSY` is an error.
final class Connection {
    struct Failure: Error, CustomStringConvertible {
        let sql: String
        let code: Int32
        let message: String

        var description: String { "\(sql): \(message) (\(code))" }
    }

    private var handle: OpaquePointer?

    init(_ path: String) throws {
        let code = sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nil)
        guard code == SQLITE_OK else { throw failure("open \(path)", code) }
    }

    deinit {
        close()
    }

    func close() {
        sqlite3_close_v2(handle)
        handle = nil
    }

    /// Runs statements and gives the first column of all rows as text.
    @discardableResult
    func run(_ sql: String) throws -> [String] {
        var rows: [String] = []
        try sql.withCString { start in
            var next: UnsafePointer<CChar>? = start
            while let text = next, text.pointee != 0 {
                var statement: OpaquePointer?
                let code = sqlite3_prepare_v2(handle, text, -1, &statement, &next)
                guard code == SQLITE_OK else { throw failure(sql, code) }
                defer { sqlite3_finalize(statement) }
                var step = statement == nil ? SQLITE_DONE : sqlite3_step(statement)
                while step == SQLITE_ROW {
                    rows.append(sqlite3_column_text(statement, 0).map { String(cString: $0) } ?? "NULL")
                    step = sqlite3_step(statement)
                }
                guard step == SQLITE_DONE else { throw failure(sql, step) }
            }
        }
        return rows
    }

    /// All pages, as this connection sees them.
    func image() throws -> [UInt8] {
        // Lets the connection notice another page size, for which sqlite3_serialize looks too early.
        try run("PRAGMA schema_version")
        var size: sqlite3_int64 = 0
        guard let bytes = sqlite3_serialize(handle, "main", &size, 0) else {
            throw failure("serialize", sqlite3_errcode(handle))
        }
        defer { sqlite3_free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: Int(size)))
    }

    private func failure(_ sql: String, _ code: Int32) -> Failure {
        Failure(sql: sql, code: code, message: String(cString: sqlite3_errmsg(handle)))
    }
}
