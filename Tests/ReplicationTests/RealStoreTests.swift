import LTX
import Logging
import Metrics
import POSIX
import Replication
import Store
import Testing

/// A stream from a real store, without a mount: the files are written as SQLite writes them in rollback mode.
@Suite("A stream of a real store")
struct RealStoreTests {
    private let folder: TemporaryFolder
    private let store: Store
    private let served: ServedStream

    init() throws {
        folder = try TemporaryFolder()
        let options = StoreOptions(dataDirectory: folder.path, isPrimary: true, nodeID: 0xAB)
        store = try Store(options: options, logger: .silent, registry: MetricsRegistry())
        served = ServedStream(store)
        store.add(served.server)
    }

    /// Commits pages as one transaction.
    private func commit(_ database: Database, _ bytes: [UInt8]) throws {
        let file = try database.create(.database, mode: 0o644, isOwn: false)
        let journal = try database.create(.journal, mode: 0o644, isOwn: false)
        let header: [UInt8] =
            [0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7] + [UInt8](repeating: 0, count: 504)
        try header.withUnsafeBytes { try database.write(.journal, journal, $0, at: 0, isOwn: false) }
        for start in stride(from: 0, to: bytes.count, by: 4096) {
            try bytes[start..<start + 4096]
                .withUnsafeBytes { try database.write(.database, file, $0, at: Int64(start), isOwn: false) }
        }
        try database.unlink(.journal, isOwn: false)
    }

    @Test func `a replica gets a snapshot, and then each commit as it was stored`() throws {
        let name = try DatabaseName("w.db")
        var bytes = try Fixture.contents(of: "export_w.db")
        let database = try store.databaseOrNew(name)
        try commit(database, bytes)
        #expect(database.storedPosition.txid == TXID(1))

        let stream = try served.open()
        try stream.readUntilReady()
        let first = try #require(stream.reading.files.first)
        let snapshot = try #require(try FileReading(first.bytes))
        #expect(snapshot.header.isSnapshot && snapshot.trailer.postApply == database.storedPosition.postApply)

        bytes[5000] ^= 1
        try commit(database, bytes)
        try stream.read { $0.files.count == 2 }
        let file = stream.reading.files[1]
        let newest = try #require(database.log.newest)
        let stored = try Files.read(database.log.path(of: newest.name))
        let isSame = file.bytes == stored
        #expect(isSame)
        let content = try #require(try FileReading(file.bytes))
        #expect(content.header.minTXID == TXID(2) && content.pages == [2])
        #expect(content.header.preApply == snapshot.trailer.postApply)
        store.close()
    }

    @Test func `a database that was dropped is gone for replicas, too`() throws {
        let name = try DatabaseName("w.db")
        let database = try store.databaseOrNew(name)
        try commit(database, try Fixture.contents(of: "export_w.db"))
        let before = database.storedPosition
        try database.drop()
        let stream = try served.open(ServedStream.request([name: before]))
        try stream.readUntilReady()
        let streamFile = try #require(stream.reading.files.first)
        #expect(try FileReading(streamFile.bytes)?.header.commit == 0)

        let new = try served.open()
        try new.readUntilReady()
        let newFile = try #require(new.reading.files.first)
        #expect(try FileReading(newFile.bytes)?.header.commit == 0)
        store.close()
    }
}
