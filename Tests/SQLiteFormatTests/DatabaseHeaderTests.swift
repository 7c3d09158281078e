import POSIX
import SQLiteFormat
import Testing

struct DatabaseHeaderTests {
    @Test(arguments: [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536])
    func `The header of a database of each page size is read`(pageSize: Int) throws {
        let folder = try TemporaryFolder()
        let connection = try Connection(folder.file("d"))
        try connection.run("PRAGMA page_size=\(pageSize); CREATE TABLE t(b); CREATE TABLE u(b)")
        let bytes = try folder.bytes("d")
        let header = try decode(bytes)
        #expect(header.pageSize.bytes == pageSize)
        #expect(header.journalMode == .rollback)
        #expect(header.pageCount == 3)
        #expect(header.changeCounter == 2)
        #expect(header.versionValidFor == 2)
        #expect(header.schemaCookie == 2)
        #expect(header.reservedSpace == 0)
        #expect(!header.isAutoVacuum)
        #expect(header.committedPageCount(fileSize: Int64(bytes.count)) == 3)
        #expect(bytes.withUnsafeBytes { DatabaseHeader.isDatabase(prefix: $0) })
    }

    @Test
    func `The version bytes follow the journal mode`() throws {
        let folder = try TemporaryFolder()
        let connection = try Connection(folder.file("d"))
        try connection.run("PRAGMA auto_vacuum=FULL; CREATE TABLE t(b)")
        for (mode, expected) in [("delete", JournalMode.rollback), ("wal", .wal), ("truncate", .rollback)] {
            #expect(try connection.run("PRAGMA journal_mode=\(mode)") == [mode])
            let header = try decode(try folder.bytes("d"))
            #expect(header.journalMode == expected)
            #expect(header.writeVersion == expected.versionByte)
            #expect(header.readVersion == expected.versionByte)
            #expect(header.isAutoVacuum)
        }
    }

    @Test
    func `The read version decides the mode, and 3 is wal2`() throws {
        let bytes = try sample()
        let modes: [UInt8: JournalMode?] = [0: .rollback, 1: .rollback, 2: .wal, 3: .wal2, 4: nil, 255: nil]
        for (version, mode) in modes {
            var changed = bytes
            changed[DatabaseHeader.readVersionOffset] = version
            #expect(try decode(changed).journalMode == mode)
        }
        var changed = bytes
        changed[DatabaseHeader.writeVersionOffset] = 3
        #expect(try decode(changed).journalMode == .rollback)
    }

    @Test
    func `The size in the header counts only while it is valid and in the file`() throws {
        let bytes = try sample()
        let header = try decode(bytes)
        #expect(header.pageCount == 2)
        #expect(header.committedPageCount(fileSize: 2 * 4096) == 2)
        #expect(header.committedPageCount(fileSize: 9 * 4096) == 2)
        #expect(header.committedPageCount(fileSize: 4096) == 1)
        #expect(header.committedPageCount(fileSize: 4095) == 1)
        #expect(header.committedPageCount(fileSize: 4097) == 2)
        #expect(header.committedPageCount(fileSize: 0) == 0)
        #expect(header.committedPageCount(fileSize: -1) == 0)
        #expect(header.committedPageCount(fileSize: .max) == 2)
        var stale = bytes
        stale[27] &+= 1
        #expect(try decode(stale).committedPageCount(fileSize: 9 * 4096) == 9)
        #expect(try decode(stale).committedPageCount(fileSize: .max) == .max)
        var unset = bytes
        unset.replaceSubrange(28..<32, with: [0, 0, 0, 0])
        #expect(try decode(unset).committedPageCount(fileSize: 9 * 4096) == 9)
    }

    @Test
    func `Bytes that start no database are refused with a reason`() throws {
        let bytes = try sample()
        for count in 0..<DatabaseHeader.size {
            let error = #expect(throws: SQLiteFormatError.self) { try decode(Array(bytes[..<count])) }
            #expect(error?.reason == .truncated(needed: 100, present: count))
            #expect(
                bytes[..<count].withUnsafeBytes { DatabaseHeader.isDatabase(prefix: $0) } == (count >= 18)
            )
        }
        for place in 0..<16 {
            var changed = bytes
            changed[place] ^= 0x20
            #expect(throws: SQLiteFormatError.self) { try decode(changed) }
            #expect(!changed.withUnsafeBytes { DatabaseHeader.isDatabase(prefix: $0) })
        }
        for size in [0, 2, 256, 513, 4097, 0xffff] as [UInt16] {
            var changed = bytes
            changed[16] = UInt8(size >> 8)
            changed[17] = UInt8(truncatingIfNeeded: size)
            let error = #expect(throws: SQLiteFormatError.self) { try decode(changed) }
            #expect(error?.offset == 16)
            #expect(error?.reason == .illegalValue(field: .pageSize, value: UInt64(size)))
            #expect(error?.description == "database header, byte 16: illegal page size \(size)")
        }
    }

    private func decode(_ bytes: [UInt8]) throws -> DatabaseHeader {
        try bytes.withUnsafeBytes { try DatabaseHeader($0) }
    }

    private func sample() throws -> [UInt8] {
        let folder = try TemporaryFolder()
        try Connection(folder.file("d")).run("CREATE TABLE t(b)")
        return try folder.bytes("d")
    }
}
