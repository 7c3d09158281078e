import CSQLite
import Testing

/// A SQLite connection that a test keeps open.
final class OpenDatabase {
    private var connection: OpaquePointer?

    init(_ path: String) throws {
        try #require(sqlite3_open(path, &connection) == SQLITE_OK)
    }

    func run(_ sql: String) throws {
        try #require(sqlite3_exec(connection, sql, nil, nil, nil) == SQLITE_OK)
    }

    func close() {
        sqlite3_close(connection)
        connection = nil
    }

    deinit {
        close()
    }
}
