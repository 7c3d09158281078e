import POSIX
import SQLiteFormat
import Testing

@testable import Apply

@Suite struct RecoveryTests {
    let folder: TemporaryFolder
    let primary: Primary
    let replica: Replica

    init() throws {
        folder = try TemporaryFolder()
        primary = try Primary(folder)
        replica = try Replica(folder, of: primary)
    }

    private func insert(_ bytes: Int = 9000) throws {
        try replica.apply(try primary.transaction("INSERT INTO t(b) VALUES(randomblob(\(bytes)))"))
    }

    /// Starts a transaction and writes all of it, but does not publish it, as if the daemon died then.
    private func dieBeforePublishing(_ transaction: PageTransaction) throws {
        try replica.wal.begin(pageSize: transaction.pageSize)
        try replica.appendPages(transaction)
        _ = try replica.wal.writer.finish(pageCount: transaction.pageCount)
        replica.wal.shared.file.unlock(.write)
    }

    /// Leaves the header as a writer does that died between its copies.
    private func damageHeader() throws {
        let zeros = [UInt8](repeating: 0, count: WALIndexHeader.size)
        try zeros.withUnsafeBytes {
            try replica.wal.shared.file.write($0, at: 0, passing: .applyIndexPublish)
        }
    }

    @Test func eachPrefixOfTheLogIsAPrefixOfTheTransactions() throws {
        var images = [primary.image]
        for _ in 1...6 {
            try insert(3000)
            images.append(primary.image)
        }
        let log = try Files.read(replica.path + "-wal")
        let other = try TemporaryFolder()
        let cuts = Array(stride(from: 0, through: log.count, by: 1361)) + [log.count - 1, log.count]
        for cut in cuts {
            try other.write("cut.db", images[0])
            try other.write("cut.db-wal", Array(log[..<cut]))
            let content = WALContent { (buffer, offset) throws(Never) in
                let rest = log[..<cut].dropFirst(Int(offset)).prefix(buffer.count)
                buffer.copyBytes(from: rest)
                return rest.count
            }
            let connection = try Connection(other.file("cut.db"))
            #expect(try connection.image() == images[content.commits.count])
            connection.close()
        }
    }

    @Test func sqliteRecoversTheLogWithoutItsIndex() throws {
        for _ in 1...5 { try insert() }
        let large = try primary.transaction("INSERT INTO t(b) VALUES(randomblob(3000000))")
        try replica.wal.begin(pageSize: large.pageSize)
        try replica.appendPages(large)
        replica.wal.abandon()
        try replica.apply(large)
        replica.wal.close()
        try Files.unlink(replica.path + "-shm")
        let connection = try Connection(replica.path)
        #expect(try connection.image() == primary.image)
        #expect(try connection.run("PRAGMA integrity_check") == ["ok"])
    }

    @Test func aWrittenIndexIsTheOneThatSQLiteWouldBuild() throws {
        for _ in 1...5 { try insert(4_000_000) }
        let frames = replica.wal.frames
        replica.wal.close()
        try replica.rebuildIndex()
        let regions = WALIndexPart.whole.regionCount(forFrames: UInt32(frames.count))
        #expect(regions > 1)
        let ours = try Files.read(replica.path + "-shm")
        #expect(ours.count == regions * WALIndex.regionSize)
        try Files.unlink(replica.path + "-shm")
        let connection = try Connection(replica.path)
        #expect(try connection.image() == primary.image)
        let sqlites = try Files.read(replica.path + "-shm")
        // Page numbers and hash tables; the headers differ in the change counter, the marks by the reader's.
        #expect(ours[136..<ours.count] == sqlites[136..<ours.count])
        connection.close()
    }

    @Test func aWrittenIndexOfAnEmptyLogLetsReadersUseTheFile() throws {
        let reader = try Connection(replica.path)
        #expect(try reader.image() == primary.image)
        #expect(replica.wal.frameCount == 0 && replica.wal.walBytes == 0)
        #expect(try replica.size("-shm") == 32_768)
    }

    @Test func aLogIsTakenUpWhereItWasLeft() throws {
        let reader = try Connection(replica.path)
        for round in 1...5 {
            try insert()
            if round == 2 { _ = try replica.wal.checkpoint() }
            try reader.run("BEGIN")
            let seen = try reader.image()
            let (frames, backfilled) = (replica.wal.frames, replica.wal.backfilledFrames)
            try replica.reopen(alive: true)
            #expect(replica.wal.frames == frames && replica.wal.backfilledFrames == backfilled)
            try insert()
            #expect(try reader.image() == seen)
            try reader.run("COMMIT")
            #expect(try reader.image() == primary.image)
        }
    }

    @Test func aCommitThatWasWrittenButNotPublishedIsPublishedByTheNextDaemon() throws {
        let reader = try Connection(replica.path)
        try insert()
        try reader.run("BEGIN; SELECT * FROM t")
        let seen = try reader.image()
        try dieBeforePublishing(try primary.transaction("INSERT INTO t(b) VALUES(randomblob(99999))"))
        #expect(try Connection(replica.path).image() == seen)
        try replica.reopen(alive: true)
        #expect(try Connection(replica.path).image() == primary.image)
        #expect(try reader.image() == seen)
        try reader.run("COMMIT")
        try insert()
        #expect(try reader.image() == primary.image)
    }

    @Test func aHalfWrittenHeaderIsRepairedBesideReaders() throws {
        let reader = try Connection(replica.path)
        try insert()
        try reader.run("BEGIN; SELECT * FROM t")
        let seen = try reader.image()
        try insert()
        try damageHeader()
        try replica.reopen(alive: true)
        #expect(try reader.image() == seen)
        #expect(try Connection(replica.path).image() == primary.image)
        try damageHeader()
        try insert()
        #expect(try reader.image() == seen)
        #expect(try Connection(replica.path).image() == primary.image)
        guard case .readMark = try replica.wal.checkpoint().obstacle else {
            Issue.record("the reader's mark was lost")
            return
        }
    }

    @Test func anIndexThatAReaderHasBuiltAgainIsTakenUp() throws {
        let reader = try Connection(replica.path)
        for round in 1...4 {
            try insert()
            let abandoned = try primary.transaction("INSERT INTO t(b) VALUES(randomblob(50000))")
            try dieBeforePublishing(abandoned)
            replica.wal.abandon()
            try damageHeader()
            #expect(try reader.run("SELECT count(*) FROM t") == ["\(2 * round - 1)"])
            #expect(replica.wal.backfilledFrames == 0)
            try replica.apply(abandoned)
            #expect(try reader.image() == primary.image)
            #expect(try Connection(replica.path).image() == primary.image)
            #expect(try matchesTheLog())
        }
    }

    /// Whether the file says about each frame what the log says.
    private func matchesTheLog() throws -> Bool {
        var bytes = try Files.read(replica.path + "-shm")
        let frames = replica.wal.frames
        return try bytes.withUnsafeMutableBytes { bytes in
            let index = WALIndex(contiguous: bytes)
            return try zip(UInt32(1)..., frames)
                .allSatisfy { (frame, page) in
                    let number = PageNumber(page)
                    return try index.page(ofFrame: frame) == number
                        && index.find(page: number, upTo: frame) == frame
                }
        }
    }

    @Test func anIndexThatRestartedBeforeItsLogIsRepaired() throws {
        try insert()
        let reader = try Connection(replica.path)
        _ = try replica.wal.checkpoint()
        let frames = replica.wal.frames
        let next = try primary.transaction("INSERT INTO t(b) VALUES(randomblob(9000))")
        try replica.wal.begin(pageSize: next.pageSize)
        #expect(replica.wal.frames.isEmpty)
        replica.wal.shared.file.unlock(.write)
        try replica.reopen(alive: true)
        #expect(replica.wal.frames == frames)
        #expect(try reader.run("SELECT count(*) FROM t") == ["1"])
        try replica.apply(next)
        #expect(try reader.image() == primary.image)
        #expect(try replica.wal.checkpoint().isComplete)
    }

    @Test func aNewLogThatWasNotPublishedIsPublishedByTheNextDaemon() throws {
        try insert()
        let reader = try Connection(replica.path)
        _ = try replica.wal.checkpoint()
        try dieBeforePublishing(try primary.transaction("INSERT INTO t(b) VALUES(randomblob(9000))"))
        try replica.reopen(alive: true)
        #expect(try reader.image() == primary.image)
        try insert()
        #expect(try reader.image() == primary.image)
    }

    @Test func anEmptyIndexFileIsFilled() throws {
        try insert()
        replica.wal.close()
        try folder.write("replica.db-shm", [])
        try replica.reopen()
        try insert()
        #expect(try Connection(replica.path).image() == primary.image)
    }

    @Test func anIndexOfALongerLogIsRefused() throws {
        try insert()
        try insert()
        let (all, size) = (replica.wal.frameCount, replica.wal.walBytes)
        replica.wal.close()
        try FileDescriptor.open(replica.path + "-wal", .readWrite).truncate(to: size - 1)
        let first = UInt32(try replica.content().frames.count)
        let expected = ApplyError(
            "replica.db-shm",
            .indexDisagrees(logFrames: first, indexFrames: all)
        )
        #expect(throws: expected) { try replica.reopen() }
        try replica.rebuildIndex()
        try replica.reopen()
        #expect(try Connection(replica.path).run("SELECT count(*) FROM t") == ["1"])
    }

    @Test func aTransactionOfAnotherWriterIsNoticed() throws {
        try insert()
        let writer = try Connection(replica.path)
        try writer.run("INSERT INTO t(b) VALUES(2)")
        let next = try primary.transaction("INSERT INTO t(b) VALUES(3)")
        let error = #expect(throws: ApplyError.self) { try replica.apply(next) }
        guard case .indexDisagrees = error?.reason else {
            Issue.record("threw \(String(describing: error))")
            return
        }
        try writer.run("BEGIN IMMEDIATE; ROLLBACK")
    }
}
