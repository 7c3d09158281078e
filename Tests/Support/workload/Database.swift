import CSQLite

/// A connection that tells what SQLite refused.
final class Database {
    struct Failure: Error, CustomStringConvertible {
        let code: Int32
        let description: String
    }

    private var handle: OpaquePointer?

    init(_ path: String, isMade: Bool = true) throws {
        let flags = SQLITE_OPEN_READWRITE | (isMade ? SQLITE_OPEN_CREATE : 0)
        guard sqlite3_open_v2(path, &handle, flags, nil) == SQLITE_OK else { throw failure("open") }
        setBusyTimeout(milliseconds: 20_000)
    }

    deinit { sqlite3_close_v2(handle) }

    /// How long statements wait for locks from now on.
    func setBusyTimeout(milliseconds: Int32) {
        sqlite3_busy_timeout(handle, milliseconds)
    }

    /// Runs statements without results.
    func run(_ sql: String) throws {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure(sql) }
    }

    /// The first column of the first row as a number; 0 when there is none.
    func number(_ sql: String) throws -> Int64 {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK else { throw failure(sql) }
        defer { sqlite3_finalize(statement) }
        switch sqlite3_step(statement) {
        case SQLITE_ROW: return sqlite3_column_int64(statement, 0)
        case SQLITE_DONE: return 0
        default: throw failure(sql)
        }
    }

    private func failure(_ sql: String) -> Failure {
        let code = sqlite3_extended_errcode(handle)
        return Failure(
            code: code,
            description: "\(sql): \(String(cString: sqlite3_errmsg(handle))) (\(code))"
        )
    }
}
