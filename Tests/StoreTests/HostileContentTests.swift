import LTX
import POSIX
import SQLiteFormat
import Testing

@testable import Store

/// Files and transactions that lie about sizes and numbers: refused, and neither time nor memory is spent on what they claim.
@Suite struct HostileContentTests {
    private static func page(pages: UInt32, isStamped: Bool) -> [UInt8] {
        var page = [UInt8](repeating: 0, count: 512)
        page.replaceSubrange(0..<16, with: DatabaseHeader.magic)
        page.replaceSubrange(16..<20, with: [2, 0, 1, 1])
        withUnsafeBytes(of: pages.bigEndian) { page.replaceSubrange(28..<32, with: $0) }
        page[95] = isStamped ? 0 : 1
        return page
    }

    private static func transaction(
        _ header: LTXHeader,
        pages: ClosedRange<UInt32>,
        to postApply: Checksum = .empty
    ) throws -> (bytes: [UInt8], postApply: Checksum) {
        let encoder = LTXEncoder()
        try encoder.begin(header: header)
        var checksum = postApply
        for number in pages {
            let data = page(pages: number, isStamped: false)
            try data.withUnsafeBytes {
                try encoder.append(page: PageNumber(number), data: $0)
                checksum.toggle(PageChecksum.compute(PageNumber(number), $0))
            }
        }
        _ = try encoder.finish(postApply: checksum)
        return (Array(encoder.output), checksum)
    }

    private static func receive(_ bytes: [UInt8], _ database: Database) throws {
        let incoming = database.beginReceiving()
        try bytes.withUnsafeBytes { try incoming.write($0) }
        try incoming.finish()
    }

    @Test(arguments: [(UInt32(0), false), (UInt32.max, true), (UInt32.max - 1, true), (UInt32(5), false)])
    func `A database file of eight tebibytes without content is no transaction`(
        pages: UInt32,
        isStamped: Bool
    ) throws {
        let folder = try DataFolder()
        let store = try folder.open()
        let database = try store.databaseOrNew(try named("a.db"))
        let file = try database.create(.database, mode: 0o644, isOwn: false)
        let page = Self.page(pages: pages, isStamped: isStamped)
        try page.withUnsafeBytes { bytes in
            try database.write(.database, file, bytes, at: 0, isOwn: false)
        }
        try database.truncate(.database, file, to: 1 << 43, isOwn: false)
        #expect(throws: Errno.self) { try database.reconcileAdopted(upTo: .max) }
        #expect(database.summary.pageCount == 0)
        #expect(database.summary.position == .zero)
        // The file as it should be is a transaction.
        try database.truncate(.database, file, to: 512, isOwn: false)
        let sound = Self.page(pages: 1, isStamped: true)
        try sound.withUnsafeBytes { bytes in
            try database.write(.database, file, bytes, at: 0, isOwn: false)
        }
        try database.reconcileAdopted(upTo: .max)
        #expect(database.summary.pageCount == 1)
        store.close()
    }

    @Test(arguments: [UInt32.max, UInt32.max - 1, UInt32(1) << 31])
    func `A frame that says that the database is huge is no transaction`(pageCount: UInt32) throws {
        let header = WALHeader(
            pageSize: try #require(PageSize(512)),
            checkpointSequence: 0,
            salt1: 1,
            salt2: 2
        )
        var chain = WALChain(startOf: header)
        var log = [UInt8](repeating: 0, count: WALHeader.size + WALFrameHeader.size)
        let page = Self.page(pages: pageCount, isStamped: true)
        log.withUnsafeMutableBytes { log in
            header.encode(into: UnsafeMutableRawBufferPointer(rebasing: log[..<WALHeader.size]))
            let head = UnsafeMutableRawBufferPointer(rebasing: log[WALHeader.size...])
            page.withUnsafeBytes { chain.seal(page: .first, commitSize: pageCount, data: $0, into: head) }
        }
        let folder = try DataFolder()
        try folder.session(closing: true) { (store: Store) throws in
            let database = try store.databaseOrNew(try named("a.db"))
            _ = try database.create(.database, mode: 0o644, isOwn: false)
            let file = try database.create(.wal, mode: 0o644, isOwn: false)
            let bytes = log + page
            try bytes.withUnsafeBytes { try database.write(.wal, file, $0, at: 0, isOwn: false) }
            #expect(database.summary.pageCount == 0)
            #expect(folder.log.contains("its files take only"))
        }
        // The next start reads the same log.
        try folder.session(closing: true) { (store: Store) throws in
            let database = try #require(store.database(try named("a.db")))
            #expect(database.summary.pageCount == 0)
        }
    }

    @Test func `A primary that has come to the last possible transaction does not end its replica`() throws {
        let folder = try DataFolder()
        let store = try folder.open(primary: false)
        let database = try store.databaseOrNew(try named("a.db"))
        var header = LTXHeader(
            pageSize: try #require(PageSize(512)),
            commit: 1,
            minTXID: TXID(1),
            maxTXID: TXID(.max),
            preApply: .zero
        )
        let last = try Self.transaction(header, pages: 1...1)
        try Self.receive(last.bytes, database)
        #expect(database.positionForStream?.txid == TXID(.max))
        header.minTXID = TXID(5)
        header.preApply = last.postApply
        // Nothing can follow it: this is older, and left out.
        try Self.receive(Self.transaction(header, pages: 1...1).bytes, database)
        #expect(database.positionForStream?.txid == TXID(.max))
        store.stop()
        store.close()
    }
}
