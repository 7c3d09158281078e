import CSQLite

/// A connection of the system's SQLite that counts the commits it makes to a write-ahead log.
final class Connection {
    struct Failure: Error, CustomStringConvertible {
        let sql: String
        let code: Int32
        let message: String

        var description: String { "\(sql): \(message) (\(code))" }
    }

    /// Called after each commit to a log, with the number of frames in the log.
    var onCommit: (Int) -> Void = { _ in }
    private var handle: OpaquePointer?

    init(_ path: String, vfs: String, parameters: String = "") throws {
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2("file:\(path)?\(parameters)", &handle, flags, vfs)
        guard code == SQLITE_OK else { throw Failure(sql: "open \(path)", code: code, message: message) }
        // The hook replaces automatic checkpoints. The connection outlives its handle.
        let hook:
            @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?, UnsafePointer<CChar>?, Int32) -> Int32 =
                {
                    context,
                    _,
                    _,
                    frames in
                    if let context {
                        Unmanaged<Connection>.fromOpaque(context).takeUnretainedValue().onCommit(Int(frames))
                    }
                    return SQLITE_OK
                }
        sqlite3_wal_hook(handle, hook, Unmanaged.passUnretained(self).toOpaque())
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

    var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    /// Calls `body` with all pages as a reader sees them now.
    func withContent<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
        // A transaction that was rolled back may have written to free pages; caches are not told, because nobody reads them.
        sqlite3_db_release_memory(handle)
        // Makes SQLite learn the size of a page; it serializes with what it knows.
        try run("PRAGMA schema_version")
        var size: sqlite3_int64 = 0
        guard let bytes = sqlite3_serialize(handle, "main", &size, 0) else {
            throw Failure(sql: "serialize", code: sqlite3_errcode(handle), message: message)
        }
        defer { sqlite3_free(bytes) }
        return try body(UnsafeRawBufferPointer(start: bytes, count: Int(size)))
    }

    private var message: String {
        String(cString: sqlite3_errmsg(handle))
    }
}
