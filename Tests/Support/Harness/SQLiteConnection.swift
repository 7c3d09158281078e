import CSQLite
import POSIX

/// A connection of the system's SQLite.
///
/// This process holds one connection's worth of POSIX locks on a file: nothing here opens a database file by other means while
/// a connection has it open.
package final class SQLiteConnection {
    /// What SQLite refused.
    package struct Failure: Error, CustomStringConvertible {
        package let sql: String
        /// The extended result code.
        package let code: Int32
        package let message: String

        package var description: String { "\(sql.prefix(300)): \(message) (\(code))" }
    }

    /// The path it was opened with.
    package let path: String
    private var handle: OpaquePointer?

    /// Opens a database, and makes it unless `flags` say otherwise.
    package init(_ path: String, flags: Int32 = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) throws {
        self.path = path
        let code = sqlite3_open_v2(path, &handle, flags, nil)
        guard code == SQLITE_OK else { throw failure("open \(path)") }
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_timeout(handle, 10_000)
    }

    deinit { close() }

    /// Closes it; further calls do nothing.
    package func close() {
        sqlite3_close_v2(handle)
        handle = nil
    }

    /// Runs statements and gives all rows, columns joined by `|`.
    @discardableResult
    package func run(_ sql: String) throws -> [String] {
        var rows: [String] = []
        var rest: String? = sql
        while let text = rest, text.contains(where: { !$0.isWhitespace && $0 != ";" }) {
            rest = try text.withCString { start in
                var statement: OpaquePointer?
                var tail: UnsafePointer<CChar>?
                guard sqlite3_prepare_v2(handle, start, -1, &statement, &tail) == SQLITE_OK else {
                    throw failure(text)
                }
                defer { sqlite3_finalize(statement) }
                while true {
                    switch sqlite3_step(statement) {
                    case SQLITE_ROW: rows.append(Self.row(statement))
                    case SQLITE_DONE: return tail.map { String(cString: $0) }
                    default: throw failure(text)
                    }
                }
            }
        }
        return rows
    }

    /// The first row; empty when there is none.
    package func value(_ sql: String) throws -> String { try run(sql).first ?? "" }

    /// What SQLite says to statements that it must refuse; nil when it did not.
    @discardableResult
    package func refusal(_ sql: String) -> Failure? {
        do {
            try run(sql)
            return nil
        } catch let failure as Failure {
            return failure
        } catch {
            return nil
        }
    }

    private static func row(_ statement: OpaquePointer?) -> String {
        (0..<sqlite3_column_count(statement))
            .map { column in
                sqlite3_column_text(statement, column).map { String(cString: $0) } ?? "NULL"
            }
            .joined(separator: "|")
    }

    private func failure(_ sql: String) -> Failure {
        Failure(
            sql: sql,
            code: sqlite3_extended_errcode(handle),
            message: String(cString: sqlite3_errmsg(handle))
        )
    }
}

/// SQL that adds rows with random content to a table made by `CREATE TABLE t(id INTEGER PRIMARY KEY, b)`.
package func filling(_ table: String = "t", rows: Int, bytes: Int) -> String {
    """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(rows))
    INSERT INTO \(table)(b) SELECT randomblob(\(bytes)) FROM n;
    """
}
