import POSIX
import SQLiteFormat
import Testing

struct JournalHeaderTests {
    @Test(arguments: [512, 4096, 65536])
    func `A transaction without syncs has an active journal from its first write`(pageSize: Int) throws {
        let (folder, connection) = try database(pageSize: pageSize)
        let pages = try #require(try connection.run("PRAGMA page_count").first.flatMap(UInt32.init))
        try connection.run("PRAGMA synchronous=OFF; BEGIN; DELETE FROM t WHERE rowid < 5")
        let header = try decode(try folder.bytes("d-journal"))
        #expect(header.recordCount == nil)
        #expect(header.originalPageCount == pages)
        #expect(header.pageSize.bytes == pageSize)
        #expect(header.sectorSize == 512 || header.sectorSize == 4096)
        #expect(header.recordSize == pageSize + 8)
        try connection.run("ROLLBACK")
        #expect(!Files.exists(folder.file("d-journal")))
    }

    @Test
    func `A transaction with syncs activates its journal when it first touches the database file`() throws {
        let (folder, connection) = try database(pageSize: 1024)
        try connection.run(
            "PRAGMA synchronous=FULL; PRAGMA cache_size=3; BEGIN; DELETE FROM t WHERE rowid = 1"
        )
        let before = try folder.bytes("d-journal")
        #expect(!before.withUnsafeBytes { JournalHeader.isActive(prefix: $0) })
        #expect(throws: SQLiteFormatError.self) { try decode(before) }
        try connection.run("UPDATE t SET b = randomblob(600)")
        let bytes = try folder.bytes("d-journal")
        let header = try decode(bytes)
        let records = try #require(header.recordCount)
        #expect(records > 0)
        #expect(Int(header.sectorSize) + Int(records) * header.recordSize <= bytes.count)
        try connection.run("COMMIT")
    }

    @Test
    func `A commit with a persistent journal leaves it inactive`() throws {
        let (folder, connection) = try database(pageSize: 4096)
        try connection.run("PRAGMA journal_mode=PERSIST; PRAGMA synchronous=OFF; BEGIN; DELETE FROM t")
        #expect(try folder.bytes("d-journal").withUnsafeBytes { JournalHeader.isActive(prefix: $0) })
        try connection.run("COMMIT")
        let bytes = try folder.bytes("d-journal")
        #expect(!bytes.isEmpty)
        #expect(!bytes.withUnsafeBytes { JournalHeader.isActive(prefix: $0) })
    }

    @Test
    func `Headers that no SQLite wrote are refused with a reason`() throws {
        let (folder, connection) = try database(pageSize: 4096)
        try connection.run("PRAGMA synchronous=OFF; BEGIN; DELETE FROM t WHERE rowid < 5")
        let bytes = Array(try folder.bytes("d-journal")[..<JournalHeader.size])
        for count in 0..<JournalHeader.size {
            let error = #expect(throws: SQLiteFormatError.self) { try decode(Array(bytes[..<count])) }
            #expect(error?.reason == .truncated(needed: 28, present: count))
            #expect(bytes[..<count].withUnsafeBytes { JournalHeader.isActive(prefix: $0) } == (count >= 8))
        }
        for bit in 0..<JournalHeader.size * 8 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            let header = try? decode(changed)
            #expect((header == nil) == (bit < 64 || bit >= 160), "bit \(bit)")
        }
    }

    private func decode(_ bytes: [UInt8]) throws -> JournalHeader {
        try bytes.withUnsafeBytes { try JournalHeader($0) }
    }

    private func database(pageSize: Int) throws -> (TemporaryFolder, Connection) {
        let folder = try TemporaryFolder()
        let connection = try Connection(folder.file("d"))
        try connection.run("PRAGMA page_size=\(pageSize); PRAGMA journal_mode=DELETE; CREATE TABLE t(b)")
        try connection.run(filling(pages: 20, pageSize: pageSize))
        return (folder, connection)
    }
}
