import Logging
import Metrics
import POSIX
import Testing

@testable import Store

private let standard = LocalNames(["*.tmp", "*-serving-copy", ".*-litestream"])

@Test(arguments: [
    "zero.db.tmp", "zero.db.tmp-wal", "zero.db.tmp-wal2", "zero.db.tmp-shm", "zero.db.tmp-journal", ".tmp",
    "zero.db-serving-copy", "zero.db-serving-copy-wal2", ".zero.db-litestream",
])
func aNameThatAPatternMatchesIsLocalWithTheFilesBesideIt(name: String) {
    #expect(standard.contains(name))
}

@Test(arguments: [
    "zero.db", "zero.db-wal", "zero.db-wal2", "zero.tmp.db", "zero.db-litestream", "tmp", "-wal", "",
])
func anyOtherNameMayBeADatabases(name: String) {
    #expect(!standard.contains(name))
}

@Test func aPatternForALogAloneMatchesNothing() {
    #expect(!LocalNames(["*-wal"]).contains("zero.db-wal"))
    #expect(!LocalNames([]).contains("zero.db.tmp"))
    #expect(LocalNames(["scratch-?.db", "[ab]*"]).contains("scratch-1.db-wal"))
}

@Test func aDatabaseOfALocalNameIsLeftAloneWithAWord() throws {
    let folder = try DataFolder()
    try Files.makeDirectories(folder.path + "/dbs/old.tmp/ltx")
    let options = StoreOptions(dataDirectory: folder.path, isPrimary: true, localNames: standard)
    let log = folder.log
    let store = try Store(
        options: options,
        logger: .init(level: .info, sink: { log.append(String(decoding: $0, as: UTF8.self)) }),
        registry: .init()
    )
    #expect(store.databases.isEmpty)
    #expect(folder.log.contains("dbs/old.tmp is left alone: data.local says"))
}
