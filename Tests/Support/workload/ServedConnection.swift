import CSQLite

/// A connection that never waits for locks and tells all that SQLite says.
final class ServedConnection {
    private var handle: OpaquePointer?
    private var cursor: OpaquePointer?

    init(_ path: String) {
        sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nil)
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_timeout(handle, 0)
        addContentFunction(to: handle)
    }

    deinit {
        sqlite3_finalize(cursor)
        sqlite3_close_v2(handle)
    }

    /// Tells whether a transaction is open, and what the last call came to when it failed.
    func check(_ result: inout ServedResult, _ code: Int32? = nil) {
        result.isAutocommit = sqlite3_get_autocommit(handle) != 0
        let code = code ?? sqlite3_errcode(handle)
        guard code != SQLITE_OK, code != SQLITE_DONE, code != SQLITE_ROW else { return }
        result.code = sqlite3_extended_errcode(handle)
        result.message = String(cString: sqlite3_errmsg(handle))
    }

    func run(_ sql: String, _ result: inout ServedResult) {
        var code = SQLITE_OK
        sql.withCString { start in
            var next: UnsafePointer<CChar>? = start
            while let text = next, text.pointee != 0, code == SQLITE_OK {
                var statement: OpaquePointer?
                code = sqlite3_prepare_v2(handle, text, -1, &statement, &next)
                guard code == SQLITE_OK, statement != nil else { continue }
                code = step(statement, .max, &result)
                let end = sqlite3_finalize(statement)
                if code == SQLITE_DONE { code = end }
            }
        }
        check(&result, code)
    }

    func start(_ sql: String, _ result: inout ServedResult) {
        sqlite3_finalize(cursor)
        cursor = nil
        var code = sqlite3_prepare_v2(handle, sql, -1, &cursor, nil)
        if code == SQLITE_OK { code = step(cursor, 1, &result) }
        check(&result, code)
    }

    func fetch(_ count: Int, _ result: inout ServedResult) {
        guard cursor != nil else { return check(&result, SQLITE_OK) }
        check(&result, step(cursor, count, &result))
    }

    func finish(_ result: inout ServedResult) {
        sqlite3_finalize(cursor)
        cursor = nil
        check(&result, SQLITE_OK)
    }

    func copy(to path: String, _ result: inout ServedResult) {
        let target = ServedConnection(path)
        let code: Int32
        if let backup = sqlite3_backup_init(target.handle, "main", handle, "main") {
            // A part at a time, as programs do that must not hold the source for long.
            var step = SQLITE_OK
            while step == SQLITE_OK { step = sqlite3_backup_step(backup, 7) }
            code = sqlite3_backup_finish(backup)
            result.message = "step \(step)"
        } else {
            code = sqlite3_extended_errcode(target.handle)
        }
        result.code = code
        result.isAutocommit = sqlite3_get_autocommit(handle) != 0
    }

    func close(_ result: inout ServedResult) {
        sqlite3_finalize(cursor)
        cursor = nil
        result.code = sqlite3_close(handle)
        if result.code == SQLITE_OK { handle = nil }
    }

    private func step(_ statement: OpaquePointer?, _ count: Int, _ result: inout ServedResult) -> Int32 {
        for _ in 0..<count {
            let code = sqlite3_step(statement)
            guard code == SQLITE_ROW else { return code }
            add(statement, &result)
        }
        return SQLITE_OK
    }

    private func add(_ statement: OpaquePointer?, _ result: inout ServedResult) {
        var texts: [String] = []
        var bytes: [UInt8] = []
        for column in 0..<sqlite3_column_count(statement) {
            let type = sqlite3_column_type(statement, column)
            // All but blobs as UTF-8, whatever the encoding of the database.
            if type != SQLITE_BLOB { _ = sqlite3_column_text(statement, column) }
            let start = type == SQLITE_NULL ? nil : sqlite3_column_blob(statement, column)
            let content = UnsafeRawBufferPointer(
                start: start,
                count: start == nil ? 0 : Int(sqlite3_column_bytes(statement, column))
            )
            bytes.append(UInt8(truncatingIfNeeded: type))
            bytes.append(contentsOf: content)
            bytes.append(0)
            let isLong = type == SQLITE_BLOB || content.count > 400
            texts.append(isLong ? "\(content.count) bytes" : String(decoding: content, as: UTF8.self))
        }
        result.add(texts.joined(separator: "|"), bytes)
    }
}

/// Adds the SQL function `content(SEED, LENGTH)`: a blob that follows from its arguments.
///
/// Two of three are random bytes, the others repeat themselves, so that they can be compressed.
private func addContentFunction(to handle: OpaquePointer?) {
    let flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC
    sqlite3_create_function_v2(
        handle,
        "content",
        2,
        flags,
        nil,
        { context, _, arguments in
            let seed = UInt64(bitPattern: sqlite3_value_int64(arguments?[0]))
            let length = max(0, min(1 << 20, Int(sqlite3_value_int64(arguments?[1]))))
            var random = SplitMix(state: seed)
            var bytes: [UInt8] = []
            bytes.reserveCapacity(length)
            let period = seed % 3 == 0 ? 11 : Int.max
            while bytes.count < length {
                bytes.append(
                    bytes.count < period ? UInt8(random.below(256)) : bytes[bytes.count - period]
                )
            }
            // SQLITE_TRANSIENT: SQLite makes a copy.
            let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
            bytes.withUnsafeBytes { sqlite3_result_blob(context, $0.baseAddress, Int32($0.count), copied) }
            if bytes.isEmpty { sqlite3_result_zeroblob(context, 0) }
        },
        nil,
        nil,
        nil
    )
}
