import POSIX
import SQLiteFormat
import Testing

@testable import Apply

@Suite struct ReplicaWALTests {
    let folder: TemporaryFolder
    let primary: Primary

    init() throws {
        folder = try TemporaryFolder()
        primary = try Primary(folder)
    }

    @Test func aTransactionIsSeenAfterItsCommitAndNotBefore() throws {
        let replica = try Replica(folder, of: primary)
        let reader = try Connection(replica.path)
        #expect(try reader.run("PRAGMA journal_mode") == ["wal"])
        let transaction = try primary.transaction("INSERT INTO t VALUES(1, 'one')")
        try replica.wal.begin(pageSize: transaction.pageSize)
        try replica.appendPages(transaction)
        #expect(try reader.run("SELECT count(*) FROM t") == ["0"])
        try replica.wal.commit(pageCount: transaction.pageCount)
        #expect(try reader.run("SELECT b FROM t") == ["one"])
        #expect(try reader.image() == primary.image)
        #expect(replica.wal.frames == transaction.pages.map(\.number))
        #expect(try replica.size("-wal") == replica.wal.walBytes)
    }

    @Test(arguments: [512, 4096, 65_536])
    func allPageSizesAreAppliedAndCopiedBack(pageSize: Int) throws {
        let primary = try Primary(try TemporaryFolder(), pageSize: pageSize)
        let replica = try Replica(folder, of: primary)
        let reader = try Connection(replica.path)
        for round in 1...20 {
            try replica.apply(
                try primary.transaction("INSERT INTO t(b) VALUES(randomblob(\(pageSize * round)))")
            )
            #expect(try reader.image() == primary.image)
            if round % 7 == 0 { #expect(try replica.wal.checkpoint().isComplete) }
        }
        #expect(try reader.run("PRAGMA integrity_check") == ["ok"])
        #expect(try replica.wal.checkpoint().isComplete)
        #expect(try replica.databaseFile() == primary.image)
        #expect(try reader.image() == primary.image)
    }

    @Test func theLogGrowsThroughSeveralRegionsOfTheIndex() throws {
        let replica = try Replica(folder, of: primary)
        let reader = try Connection(replica.path)
        try reader.run("BEGIN; SELECT * FROM t")
        while replica.wal.frameCount < 9000 {
            try replica.apply(try primary.transaction("INSERT INTO t(b) VALUES(zeroblob(2000000))"))
            try replica.apply(try primary.transaction("UPDATE t SET b = randomblob(3000000) WHERE id = 1"))
        }
        let regions = WALIndexPart.whole.regionCount(forFrames: replica.wal.frameCount)
        #expect(regions >= 3)
        #expect(try replica.size("-shm") == Int64(regions * WALIndex.regionSize))
        let other = try Connection(replica.path)
        #expect(try other.image() == primary.image)
        #expect(try reader.run("SELECT count(*) FROM t") == ["0"])
        #expect(try replica.wal.checkpoint().obstacle == .readersOfDatabaseFile)
        try reader.run("COMMIT")
        #expect(try replica.wal.checkpoint().isComplete)
        #expect(try replica.databaseFile() == primary.image)
        try replica.apply(try primary.transaction("DELETE FROM t WHERE id > 1"))
        #expect(replica.wal.frameCount < 9000)
        #expect(try reader.image() == primary.image)
        #expect(try other.image() == primary.image)
    }

    @Test func aShrinkingDatabaseIsCut() throws {
        let replica = try Replica(folder, of: primary)
        let reader = try Connection(replica.path)
        try replica.apply(try primary.transaction("INSERT INTO t(b) VALUES(randomblob(400000))"))
        #expect(try replica.wal.checkpoint().isComplete)
        let large = try replica.size("")
        try replica.apply(try primary.transaction("DELETE FROM t"))
        try replica.apply(try primary.transaction("VACUUM"))
        #expect(try reader.image() == primary.image)
        #expect(try replica.wal.checkpoint().isComplete)
        #expect(try replica.size("") < large)
        #expect(try replica.databaseFile() == primary.image)
        #expect(try reader.run("PRAGMA integrity_check") == ["ok"])
    }

    @Test func anAbandonedTransactionIsNeverSeen() throws {
        let replica = try Replica(folder, of: primary)
        let reader = try Connection(replica.path)
        try replica.apply(try primary.transaction("INSERT INTO t(b) VALUES(randomblob(10000))"))
        let before = primary.image
        let large = try primary.transaction("INSERT INTO t(b) VALUES(randomblob(3000000))")
        try replica.wal.begin(pageSize: large.pageSize)
        try replica.appendPages(large)
        replica.wal.abandon()
        replica.wal.abandon()
        #expect(try reader.image() == before)
        #expect(try replica.content().frames == replica.wal.frames)
        try replica.apply(large)
        #expect(try reader.image() == primary.image)
        #expect(try replica.content().commits.count == 2)
    }

    @Test func anAbandonedTransactionAtTheStartOfTheLogIsNeverSeen() throws {
        let replica = try Replica(folder, of: primary)
        let reader = try Connection(replica.path)
        for _ in 1...3 {
            let before = primary.image
            let large = try primary.transaction("INSERT INTO t(b) VALUES(randomblob(3000000))")
            try replica.wal.begin(pageSize: large.pageSize)
            try replica.appendPages(large)
            replica.wal.abandon()
            #expect(replica.wal.frameCount == 0)
            #expect(try reader.image() == before)
            #expect(try replica.content().frames.isEmpty)
            try replica.apply(large)
            #expect(try reader.image() == primary.image)
            #expect(try replica.wal.checkpoint().isComplete)
        }
    }

    @Test func aTransactionNeedsAPageAndASize() throws {
        let replica = try Replica(folder, of: primary)
        let transaction = try primary.transaction("INSERT INTO t(b) VALUES(1)")
        let empty = ApplyError("replica.db-wal", .emptyTransaction)
        try replica.wal.begin(pageSize: transaction.pageSize)
        #expect(throws: empty) { try replica.wal.commit(pageCount: 2) }
        try replica.appendPages(transaction)
        #expect(throws: empty) { try replica.wal.commit(pageCount: 0) }
        replica.wal.abandon()
        try replica.apply(transaction)
    }

    @Test func aPageWithAWrongSizeOrNumberIsRefused() throws {
        let replica = try Replica(folder, of: primary)
        try replica.wal.begin(pageSize: primary.pageSize)
        let page: [UInt8] = Array(repeating: 0, count: 4096)
        page.withUnsafeBytes { page in
            let short = UnsafeRawBufferPointer(rebasing: page[..<512])
            #expect(throws: ApplyError("replica.db-wal", .illegalPage(PageNumber(2), bytes: 512))) {
                try replica.wal.append(PageNumber(2), short)
            }
            for number in [PageNumber(0), primary.pageSize.lockPage] {
                #expect(throws: ApplyError("replica.db-wal", .illegalPage(number, bytes: 4096))) {
                    try replica.wal.append(number, page)
                }
            }
        }
        replica.wal.abandon()
    }
}
