import CSQLite
import LTX
import POSIX
import SQLiteFormat
import Testing

@testable import Store

/// A database in WAL mode whose last transactions are only in its log, as its files are.
private func filesWithLog() throws -> (database: [UInt8], log: [UInt8]) {
    let folder = try DataFolder()
    var connection: OpaquePointer?
    defer { sqlite3_close(connection) }
    try #require(sqlite3_open(folder.path + "/a", &connection) == SQLITE_OK)
    let sql = "PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(9000))"
    try #require(sqlite3_exec(connection, sql, nil, nil, nil) == SQLITE_OK)
    return (try Files.read(folder.path + "/a"), try Files.read(folder.path + "/a-wal"))
}

@Test func aLogThatIsCopiedInOnePieceBringsItsVersionBytes() throws {
    let (content, log) = try filesWithLog()
    let folder = try DataFolder()
    let store = try folder.open()
    let database = try store.databaseOrNew(try named("copy.db"))
    let path = folder.path + "/local-copy"
    try Files.replace(path, with: [])
    let file = try BackingFile.open(path, .readWrite)
    try database.adopt(.database, file, from: path)
    try content.withUnsafeBytes { bytes in
        try database.write(.database, file, bytes, at: 0, isOwn: false)
    }
    // Nobody has compared the file yet: the log's first commit takes all pages with it.
    let wal = try database.create(.wal, mode: 0o644, isOwn: false)
    try log.withUnsafeBytes { bytes in try database.write(.wal, wal, bytes, at: 0, isOwn: false) }
    #expect(database.summary.journalMode == "wal")
    let pages = try readAll(try database.snapshot())
    #expect(pages[DatabaseHeader.writeVersionOffset] == 2)
    #expect(pages.count == Int(database.summary.pageCount) * 4096)
}

@Test func aFileThatComesAfterItsLogIsInDoubt() throws {
    let (content, log) = try filesWithLog()
    let folder = try DataFolder()
    let store = try folder.open()
    let database = try store.databaseOrNew(try named("copy.db"))
    let (path, logPath) = (folder.path + "/local-copy", folder.path + "/local-copy-wal")
    try Files.replace(path, with: [])
    try Files.replace(logPath, with: log)
    try database.adopt(.wal, try BackingFile.open(logPath, .readWrite), from: logPath)
    // The reconciler comes while there is nothing to compare.
    database.locked { database.needsReconcile = false }
    let file = try BackingFile.open(path, .readWrite)
    try database.adopt(.database, file, from: path)
    try content.withUnsafeBytes { bytes in
        try database.write(.database, file, bytes, at: 0, isOwn: false)
    }
    #expect(database.wantsReconcile)
}
