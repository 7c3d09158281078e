import LTX
import POSIX
import SQLiteFormat
import Testing

@testable import Store

@Test(arguments: [
    "", ".", "..", "a/b", "/a", "a\0b", ".primary", ".lag", "x-wal", "x-journal", "x-shm", "x-pos", "x-lock",
])
func aNameThatCannotBeADatabasesIsRefused(_ text: String) {
    #expect(throws: DatabaseNameError.self) { try DatabaseName(text) }
}

@Test func aNameIsBoundedAndUTF8() throws {
    #expect(try DatabaseName(String(repeating: "a", count: 247)).text.count == 247)
    #expect(throws: DatabaseNameError.self) { try DatabaseName(String(repeating: "a", count: 248)) }
    #expect(throws: DatabaseNameError.self) { try DatabaseName(String(repeating: "a", count: 300)) }
    #expect(throws: DatabaseNameError.self) { try DatabaseName(bytes: [0x61, 0xff, 0xfe]) }
    #expect(try DatabaseName("wäre.db").text == "wäre.db")
}

@Test func aDamagedClusterIDStopsTheStartAndKeepsTheFile() throws {
    let folder = try DataFolder()
    try Files.replace(folder.path + "/clusterid", with: Array("LFSCnonsense\n".utf8))
    #expect(throws: StoreError.self) { try folder.open() }
    #expect(try Files.read(folder.path + "/clusterid") == Array("LFSCnonsense\n".utf8))
}

@Test func theFirstPrimaryMakesAClusterIDThatStays() throws {
    let folder = try DataFolder()
    let first = try folder.session { $0.clusterID }
    #expect(first != nil)
    #expect(try folder.session { $0.clusterID } == first)
    #expect(try folder.session(primary: false) { $0.clusterID } == first)
}

@Test func aDatabaseThatLiesInTheDataDirectoryBecomesTransactionOne() throws {
    let folder = try DataFolder()
    try folder.edit("a.db", "CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(20000))")
    let store = try folder.open()
    let database = try #require(store.database(try named("a.db")))
    #expect(database.summary.position.txid == TXID(1))
    #expect(database.summary.isShown)
    #expect(try folder.transactionFiles("a.db") == ["0000000000000001-0000000000000001.ltx"])
    let snapshot = try database.snapshot()
    #expect(try readAll(snapshot) == Files.read(folder.path + "/dbs/a.db/database"))
    snapshot.end()
    store.close()
}

@Test func aCleanStopSavesTheChecksumsAndTheNextStartUsesThemOnce() throws {
    let folder = try DataFolder()
    try folder.edit("a.db", "CREATE TABLE t(a)")
    let position = try folder.position("a.db", closing: true)
    #expect(Files.exists(folder.path + "/dbs/a.db/checksums"))
    #expect(try folder.position("a.db") == position)
    #expect(!Files.exists(folder.path + "/dbs/a.db/checksums"))
}

@Test func damagedSavedChecksumsAreNotBelieved() throws {
    let folder = try DataFolder()
    try folder.edit("a.db", "CREATE TABLE t(a)")
    let position = try folder.position("a.db", closing: true)
    let path = folder.path + "/dbs/a.db/checksums"
    let bytes = try Files.read(path)
    for index in stride(from: 0, to: bytes.count, by: 7) {
        var damaged = bytes
        damaged[index] ^= 0x10
        try Files.replace(path, with: damaged)
        #expect(try folder.position("a.db") == position)
    }
    try Files.replace(path, with: Array(bytes.prefix(50)))
    #expect(try folder.position("a.db") == position)
}

@Test(arguments: [true, false])
func changesMadeWhileTheDaemonWasDownBecomeOneTransaction(_ isClean: Bool) throws {
    let folder = try DataFolder()
    try folder.edit("a.db", "CREATE TABLE t(a)")
    let before = try folder.position("a.db", closing: isClean)
    try folder.edit("a.db", "INSERT INTO t VALUES(1); INSERT INTO t VALUES(2)")
    let store = try folder.open()
    let database = try #require(store.database(try named("a.db")))
    #expect(database.summary.position.txid == TXID(2))
    #expect(database.summary.position.postApply != before.postApply)
    #expect(try readAll(try database.snapshot()) == Files.read(folder.path + "/dbs/a.db/database"))
}

@Test func aTornNewestTransactionFileIsSetAsideAndMadeAgain() throws {
    let folder = try DataFolder()
    try folder.edit("a.db", "CREATE TABLE t(a)")
    _ = try folder.position("a.db")
    try folder.edit("a.db", "INSERT INTO t VALUES(1)")
    let position = try folder.position("a.db")
    #expect(position.txid == TXID(2))
    let file = folder.path + "/dbs/a.db/ltx/0000000000000002-0000000000000002.ltx"
    try Files.replace(file, with: Array(try Files.read(file).dropLast(9)))
    let store = try folder.open()
    #expect(try #require(store.database(try named("a.db"))).summary.position == position)
    #expect(Files.exists(file + ".damaged"))
    #expect(folder.log.contains("is damaged; set aside"))
}

@Test func aTransactionThatLackedOnlyItsNameIsPublished() throws {
    let folder = try DataFolder()
    try folder.edit("a.db", "CREATE TABLE t(a)")
    _ = try folder.position("a.db")
    try folder.edit("a.db", "INSERT INTO t VALUES(1)")
    let position = try folder.position("a.db")
    let file = folder.path + "/dbs/a.db/ltx/0000000000000002-0000000000000002.ltx"
    let content = try Files.read(file)
    try Files.rename(file, file + ".tmp")
    let store = try folder.open()
    #expect(try #require(store.database(try named("a.db"))).summary.position == position)
    #expect(try Files.read(file) == content)
}

@Test func aMissingDatabaseFileIsNamedAndItsRecordIsKept() throws {
    let folder = try DataFolder()
    try folder.edit("a.db", "CREATE TABLE t(a)")
    _ = try folder.position("a.db")
    try Files.unlink(folder.path + "/dbs/a.db/database")
    let store = try folder.open()
    let database = try #require(store.database(try named("a.db")))
    #expect(!database.summary.isShown)
    #expect(database.summary.position.txid == TXID(1))
    #expect(folder.log.contains("is missing, but transaction 0000000000000001 is on record"))
    #expect(try folder.transactionFiles("a.db").count == 1)
}

@Test func commitsLeftInTheLogAreCapturedWithTheirOwnTXIDs() throws {
    let folder = try DataFolder()
    try folder.edit("a.db", "CREATE TABLE t(a)")
    _ = try folder.position("a.db")
    // A copy of database and log while a connection is open: three commits that no checkpoint has copied.
    let scratch = folder.path + "/scratch"
    try Files.makeDirectories(scratch + "/dbs/a.db")
    let connection = try OpenDatabase(folder.path + "/dbs/a.db/database")
    try connection.run("PRAGMA journal_mode=WAL")
    let base = try Files.read(folder.path + "/dbs/a.db/database")
    for value in 1...3 { try connection.run("INSERT INTO t VALUES(\(value))") }
    let log = try Files.read(folder.path + "/dbs/a.db/database-wal")
    connection.close()
    try Files.replace(folder.path + "/dbs/a.db/database", with: base)
    let before = try folder.position("a.db").txid
    try Files.replace(folder.path + "/dbs/a.db/wal", with: log)
    let store = try folder.open()
    let database = try #require(store.database(try named("a.db")))
    #expect(database.summary.position.txid == TXID(before.rawValue + 3))
    store.close()
    #expect(database.storedPosition == database.summary.position)
}

@Test func retentionRemovesOldFilesButNeverTheNewest() throws {
    let folder = try DataFolder()
    try folder.edit("a.db", "CREATE TABLE t(a)")
    for value in 1...4 {
        _ = try folder.position("a.db")
        try folder.edit("a.db", "INSERT INTO t VALUES(\(value))")
    }
    let store = try folder.open(retention: .milliseconds(1))
    pause(.milliseconds(5))
    store.enforceRetention()
    #expect(try folder.transactionFiles("a.db") == ["0000000000000005-0000000000000005.ltx"])
    #expect(try #require(store.database(try named("a.db"))).log.file(after: TXID(4)) != nil)
    #expect(try #require(store.database(try named("a.db"))).log.file(after: TXID(3)) == nil)
}

@Test func aSnapshotKeepsPagesThatAreOverwrittenWhileItIsRead() throws {
    let folder = try DataFolder()
    try folder.edit("a.db", "CREATE TABLE t(a); INSERT INTO t VALUES(zeroblob(400000))")
    let store = try folder.open()
    let database = try #require(store.database(try named("a.db")))
    let original = try Files.read(folder.path + "/dbs/a.db/database")
    let file = try #require(database.file(.database))
    let snapshot = try database.snapshot()
    let buffer = Buffer(count: 10 * snapshot.pageSize.bytes)
    #expect(try snapshot.read(from: .first, into: buffer.bytes) == 10)
    // Somebody overwrites pages on both sides of what was read, and cuts the file.
    let noise = [UInt8](repeating: 0xee, count: 4096)
    for page in [5, 11, 12, 40, 97] {
        try noise.withUnsafeBytes { bytes in
            try database.write(.database, file, bytes, at: Int64(page - 1) * 4096, isOwn: false)
        }
    }
    try database.truncate(.database, file, to: 50 * 4096, isOwn: false)
    #expect(try Array(buffer.bytes) + readAll(snapshot, from: 11) == original)
    snapshot.end()
}

// MARK: - Received transactions

@Test func damagedTransactionsAreRefusedAndChangeNothing() throws {
    let source = try DataFolder()
    try source.edit("a.db", "CREATE TABLE t(a); INSERT INTO t VALUES(1)")
    _ = try source.position("a.db")
    let bytes = try source.transaction("a.db", "0000000000000001-0000000000000001.ltx")
    let folder = try DataFolder()
    let store = try folder.open(primary: false)
    let database = try store.databaseOrNew(try named("a.db"))
    for length in stride(from: 0, to: bytes.count, by: 3) {
        let incoming = database.beginReceiving()
        #expect(throws: StoreError.self) {
            try bytes.prefix(length).withUnsafeBytes { try incoming.write($0) }
            try incoming.finish()
        }
    }
    for index in 0..<100 + 16 {
        var damaged = bytes
        damaged[index < 100 ? index : bytes.count - (index - 99)] ^= 1
        let incoming = database.beginReceiving()
        #expect(throws: StoreError.self) {
            try damaged.withUnsafeBytes { try incoming.write($0) }
            try incoming.finish()
        }
    }
    #expect(database.positionForStream == nil)
    #expect(database.summary.position == .zero)
    #expect(try Files.list(folder.path + "/dbs/a.db/ltx").isEmpty)
}

@Test func aTransactionOutOfOrderIsRefusedAndNamesBothPositions() throws {
    let source = try DataFolder()
    try source.edit("a.db", "CREATE TABLE t(a)")
    _ = try source.position("a.db")
    try source.edit("a.db", "INSERT INTO t VALUES(1)")
    _ = try source.position("a.db")
    let second = try source.transaction("a.db", "0000000000000002-0000000000000002.ltx")
    let folder = try DataFolder()
    let database = try folder.open(primary: false).databaseOrNew(try named("a.db"))
    let incoming = database.beginReceiving()
    let error = #expect(throws: StoreError.self) { try second.withUnsafeBytes { try incoming.write($0) } }
    #expect(error?.description.contains("position mismatch on db \"a.db\"") == true)
}
