import CSQLite
import LTX
import Logging
import Metrics
import POSIX
import SQLiteFormat
import Synchronization
import Testing

@testable import Store

/// A data directory of its own for one test.
final class DataFolder {
    let path: String
    let log = LogLines()

    init() throws {
        path = "/tmp/litefs-store-\(UInt64.random(in: 0 ..< .max))"
        try Files.makeDirectories(path)
    }

    deinit {
        try? Files.removeTree(path)
    }

    func open(primary: Bool = true, retention: Duration = .seconds(600)) throws -> Store {
        let log = log
        let logger = Logger(
            level: .debug,
            sink: { bytes in log.append(String(decoding: bytes, as: UTF8.self)) }
        )
        let options = StoreOptions(dataDirectory: path, isPrimary: primary, retention: retention)
        return try Store(options: options, logger: logger, registry: MetricsRegistry())
    }

    /// Opens the store for `body` and lets it go: closed in good order, or as if the daemon had died.
    func session<Result>(
        closing: Bool = false,
        primary: Bool = true,
        _ body: (Store) throws -> Result
    ) throws -> Result {
        let store = try open(primary: primary)
        defer { if closing { store.close() } }
        return try body(store)
    }

    /// Position of a database after the store was opened once more.
    func position(_ name: String, closing: Bool = false) throws -> Position {
        try session(closing: closing) { store in
            try #require(store.database(try named(name))).summary.position
        }
    }

    /// Runs SQL on the database file of a name, as somebody who edits the data directory while the daemon is down.
    func edit(_ name: String, _ sql: String) throws {
        let folder = path + "/dbs/" + name
        try Files.makeDirectories(folder)
        var connection: OpaquePointer?
        defer { sqlite3_close(connection) }
        try #require(sqlite3_open(folder + "/database", &connection) == SQLITE_OK)
        let result = sqlite3_exec(connection, sql, nil, nil, nil)
        try #require(result == SQLITE_OK, "\(sqlite3_errmsg(connection).map { String(cString: $0) } ?? "")")
    }

    func transactionFiles(_ name: String) throws -> [String] {
        try Files.list(path + "/dbs/\(name)/ltx").map(\.name).filter { $0.hasSuffix(".ltx") }.sorted()
    }

    func transaction(_ name: String, _ file: String) throws -> [UInt8] {
        try Files.read(path + "/dbs/\(name)/ltx/" + file, limit: 1 << 30)
    }
}

/// What was logged.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])
    func append(_ line: String) { lines.withLock { $0.append(line) } }
    func contains(_ text: String) -> Bool { lines.withLock { $0.contains { $0.contains(text) } } }
}

func named(_ text: String) throws -> DatabaseName { try DatabaseName(text) }

/// All pages of a snapshot.
func readAll(_ snapshot: DatabaseSnapshot, from first: UInt32 = 1) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let buffer = Buffer(count: 16 * snapshot.pageSize.bytes)
    var page = first
    while true {
        let count = try snapshot.read(from: PageNumber(page), into: buffer.bytes)
        if count == 0 { return bytes }
        bytes += buffer.bytes[..<(count * snapshot.pageSize.bytes)]
        page += UInt32(count)
    }
}
