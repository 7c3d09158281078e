import CSQLite

/// A connection to a database, as an application would open it.
///
/// Used by one thread.
final class Connection {
    private var handle: OpaquePointer?
    private let path: String

    /// Opens a database, and creates it where there is none.
    init(_ path: String) throws(BenchmarkError) {
        self.path = path
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        guard sqlite3_open_v2(path, &handle, flags, nil) == SQLITE_OK else {
            let error = failure("open")
            sqlite3_close_v2(handle)
            throw error
        }
        sqlite3_busy_timeout(handle, 10_000)
    }

    deinit {
        sqlite3_close_v2(handle)
    }

    /// Runs statements and drops their rows.
    func execute(_ sql: String) throws(BenchmarkError) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure(sql) }
    }

    /// Compiles a statement, which must not outlive the connection.
    func prepare(_ sql: String) throws(BenchmarkError) -> Statement {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK, let statement else {
            throw failure(sql)
        }
        return Statement(statement, of: self)
    }

    /// Runs a query for one number.
    func number(_ sql: String) throws(BenchmarkError) -> Int64 {
        guard let value = try prepare(sql).number() else {
            throw BenchmarkError("\(path): \(sql): no row")
        }
        return value
    }

    fileprivate func failure(_ what: String) -> BenchmarkError {
        let reason = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
        return BenchmarkError("\(path): \(what.prefix(80)): \(reason)")
    }
}

/// A compiled statement.
final class Statement {
    private let handle: OpaquePointer
    private let connection: Connection

    fileprivate init(_ handle: OpaquePointer, of connection: Connection) {
        self.handle = handle
        self.connection = connection
    }

    deinit {
        sqlite3_finalize(handle)
    }

    /// Runs it to its end, with a number for its first parameter if there is one.
    ///
    /// - Returns: the first column of the first row; nil without a row, or for NULL.
    @discardableResult
    func number(_ parameter: Int64? = nil) throws(BenchmarkError) -> Int64? {
        defer { sqlite3_reset(handle) }
        if let parameter { sqlite3_bind_int64(handle, 1, parameter) }
        var result: Int64?
        while true {
            switch sqlite3_step(handle) {
            case SQLITE_ROW:
                if result == nil, sqlite3_column_type(handle, 0) != SQLITE_NULL {
                    result = sqlite3_column_int64(handle, 0)
                }
            case SQLITE_DONE:
                return result
            default:
                throw connection.failure(String(cString: sqlite3_sql(handle)))
            }
        }
    }
}
