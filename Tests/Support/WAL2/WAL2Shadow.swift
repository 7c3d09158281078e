import CSQLite
import Glibc
import POSIX
import SQLiteFormat

/// The content of a database in wal2 mode, made by ordinary SQLite in a folder of its own.
///
/// Each transaction is carried out there, and the pages that it changed go to a connection in wal2 mode.
public final class WAL2Shadow {
    /// The path of the ordinary database.
    public let path: String
    /// Its committed pages, with the bytes that say wal2.
    public private(set) var image: [UInt8]
    private var database: OpaquePointer?

    /// Opens or makes a database.
    ///
    /// - Parameters:
    ///   - path: where.
    ///   - pageSize: of a new one, in bytes.
    /// - Throws: `WAL2Error` with SQLite's message.
    public init(_ path: String, pageSize: Int = 4096) throws {
        self.path = path
        image = []
        guard sqlite3_open(path, &database) == SQLITE_OK else { throw WAL2Error.busy(path) }
        try run("PRAGMA page_size=\(pageSize); PRAGMA journal_mode=DELETE; PRAGMA synchronous=OFF")
        try run("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, v BLOB)")
        image = try content()
    }

    deinit { sqlite3_close(database) }

    /// The size of its pages, in bytes.
    public var pageSize: Int {
        Int(image[16]) << 8 | Int(image[17]) == 1 ? 65_536 : Int(image[16]) << 8 | Int(image[17])
    }

    /// Runs statements of one transaction or more.
    public func run(_ sql: String) throws {
        var message: UnsafeMutablePointer<CChar>?
        guard sqlite3_exec(database, sql, nil, nil, &message) == SQLITE_OK else {
            defer { sqlite3_free(message) }
            throw WAL2Error.busy(message.map { String(cString: $0) } ?? sql)
        }
    }

    private func content() throws -> [UInt8] {
        var bytes = try Files.read(path, limit: 1 << 32)
        bytes[DatabaseHeader.writeVersionOffset] = 3
        bytes[DatabaseHeader.readVersionOffset] = 3
        return bytes
    }

    /// What a transaction changed.
    public struct Change {
        /// Changed pages with their new content, ascending.
        public var pages: [(number: UInt32, data: [UInt8])]
        /// Size of the database in pages.
        public var size: UInt32
    }

    /// Runs statements, and tells what they changed since the last call.
    public func change(_ sql: String) throws -> Change {
        try run(sql)
        let before = image
        image = try content()
        let size = pageSize
        var pages: [(UInt32, [UInt8])] = []
        for start in stride(from: 0, to: image.count, by: size) {
            let isSame = start + size <= before.count && Self.isEqual(image, before, start, size)
            if !isSame { pages.append((UInt32(start / size + 1), Array(image[start..<start + size]))) }
        }
        return Change(pages: pages, size: UInt32(image.count / size))
    }

    private static func isEqual(_ left: [UInt8], _ right: [UInt8], _ start: Int, _ count: Int) -> Bool {
        left.withUnsafeBytes { left in
            right.withUnsafeBytes { right in
                guard let left = left.baseAddress, let right = right.baseAddress else { return false }
                return memcmp(left + start, right + start, count) == 0
            }
        }
    }

    /// Runs statements here, and commits what they changed in a connection.
    ///
    /// - Parameters:
    ///   - sql: the statements.
    ///   - connection: to a database with the content that was here before.
    ///   - spills: whether pages are written before the commit, some of them twice.
    /// - Throws: what the connection throws, or `WAL2Error` with SQLite's message.
    public func commit(_ sql: String, to connection: WAL2Connection, spills: Bool = false) throws {
        try connection.beginWrite()
        let change: Change
        do {
            change = try self.change(sql)
        } catch {
            connection.rollback()
            throw error
        }
        guard let last = change.pages.last else { return connection.rollback() }
        if spills {
            for page in change.pages.prefix(3) { try connection.write(page.number, page.data.reversed()) }
            for page in change.pages.dropLast() { try connection.write(page.number, page.data) }
        } else {
            for page in change.pages.dropLast() { try connection.write(page.number, page.data) }
        }
        try connection.commit(last.number, last.data, size: change.size)
    }

    /// Makes a file that ordinary SQLite can open from the pages of a database in wal2 mode.
    public static func write(_ image: [UInt8], to path: String) throws {
        var image = image
        image[DatabaseHeader.writeVersionOffset] = 1
        image[DatabaseHeader.readVersionOffset] = 1
        try Files.replace(path, with: image)
    }

    /// What `PRAGMA integrity_check` says about an image; `ok` if all is well.
    public static func integrity(of image: [UInt8], at path: String) throws -> String {
        try write(image, to: path)
        defer { try? Files.unlink(path) }
        var database: OpaquePointer?
        guard sqlite3_open(path, &database) == SQLITE_OK else { return "cannot open" }
        defer { sqlite3_close(database) }
        var statement: OpaquePointer?
        sqlite3_prepare_v2(database, "PRAGMA integrity_check", -1, &statement, nil)
        defer { sqlite3_finalize(statement) }
        guard sqlite3_step(statement) == SQLITE_ROW, let text = sqlite3_column_text(statement, 0) else {
            return String(cString: sqlite3_errmsg(database))
        }
        return String(cString: text)
    }
}
