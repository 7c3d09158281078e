import CSQLite

/// A connection of the system's SQLite.
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
        guard code == SQLITE_OK else { throw Failure(sql: "open \(path)", code: code, message: message) }
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
        var rest: String? = sql
        while let text = rest, text.contains(where: { !$0.isWhitespace && $0 != ";" }) {
            rest = try text.withCString { start in
                var statement: OpaquePointer?
                var tail: UnsafePointer<CChar>?
                let code = sqlite3_prepare_v2(handle, start, -1, &statement, &tail)
                guard code == SQLITE_OK else { throw Failure(sql: text, code: code, message: message) }
                defer { sqlite3_finalize(statement) }
                while true {
                    switch sqlite3_step(statement) {
                    case SQLITE_ROW:
                        rows.append(sqlite3_column_text(statement, 0).map { String(cString: $0) } ?? "NULL")
                    case SQLITE_DONE:
                        return tail.map { String(cString: $0) }
                    case let code:
                        throw Failure(sql: text, code: code, message: message)
                    }
                }
            }
        }
        return rows
    }

    private var message: String {
        String(cString: sqlite3_errmsg(handle))
    }
}

/// SQL that inserts rows into table `t` until it has grown by about so many pages.
func filling(pages: Int, pageSize: Int) -> String {
    """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(pages))
    INSERT INTO t(b) SELECT randomblob(\(pageSize * 3 / 5)) FROM n;
    """
}
