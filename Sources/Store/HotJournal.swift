import CSQLite
import POSIX

/// Lets SQLite roll back a journal that a program left behind when it died.
enum HotJournal {
    /// Opens the database at `path`, on the mount, and reads from it: SQLite rolls back what must be rolled back.
    ///
    /// - Returns: nil, or SQLite's message.
    static func recover(_ path: String) -> String? {
        var connection: OpaquePointer?
        defer { sqlite3_close_v2(connection) }
        guard sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE, nil) == SQLITE_OK else {
            return connection.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) } ?? "out of memory"
        }
        sqlite3_busy_timeout(connection, 1000)
        guard sqlite3_exec(connection, "SELECT count(*) FROM sqlite_schema", nil, nil, nil) == SQLITE_OK
        else {
            return sqlite3_errmsg(connection).map { String(cString: $0) } ?? "unknown error"
        }
        return nil
    }
}
