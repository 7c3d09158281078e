import POSIX
import SQLiteFormat
import Testing

@testable import Apply

@Suite struct CheckpointTests {
    let folder: TemporaryFolder
    let primary: Primary
    let replica: Replica

    init() throws {
        folder = try TemporaryFolder()
        primary = try Primary(folder)
        replica = try Replica(folder, of: primary, synchronous: true)
    }

    private func insert(_ count: Int = 1) throws {
        for _ in 0..<count {
            try replica.apply(try primary.transaction("INSERT INTO t(b) VALUES(randomblob(9000))"))
        }
    }

    @Test func anUnusedLogIsCopiedAndRestarts() throws {
        try insert(10)
        let frames = replica.wal.frameCount
        let result = try replica.wal.checkpoint()
        #expect(result.isComplete && result.obstacle == nil)
        #expect(result.backfilled == frames && result.pagesWritten < Int(frames))
        #expect(replica.wal.backfilledFrames == frames)
        #expect(try replica.databaseFile() == primary.image)
        let first = try replica.content().header
        try insert()
        #expect(replica.wal.frameCount < frames)
        let second = try replica.content().header
        #expect(second?.salt1 == first.map { $0.salt1 &+ 1 })
        #expect(second?.checkpointSequence == first.map { $0.checkpointSequence + 1 })
        #expect(try replica.content().frames == replica.wal.frames)
        #expect(try Connection(replica.path).image() == primary.image)
    }

    /// A program that may open the log for writing, and whose write is then refused, has begun the log anew in the index.
    ///
    /// Invariant L7 of the architecture: its next log, when the node is the primary, has to be copied.
    @Test func inALogThatAProgramBeganAnewNothingCountsAsCopied() throws {
        try insert(5)
        #expect(try replica.wal.checkpoint().isComplete)
        let directory = try FileDescriptor.open(folder.path, [.directory])
        let files = try HeldFiles(name: "replica.db", directory: directory.rawValue)
        defer { files.close() }
        let program = try IndexFile(files.index, frames: replica.wal.frameCount)
        try program.reload()
        var begun = try #require(program.index.readHeader())
        (begun.mxFrame, begun.salt1) = (0, begun.salt1 &+ 1)
        try program.resetCheckpointInformation()
        try program.publish(begun)
        _ = try replica.wal.checkpoint()
        try program.reload()
        #expect(program.index.backfilled == 0)
        #expect(program.index.readHeader()?.salt1 == begun.salt1)
        // The next transaction takes it back.
        let frames = replica.wal.frameCount
        try insert()
        #expect(replica.wal.frameCount > frames)
        #expect(try Connection(replica.path).image() == primary.image)
        #expect(try replica.wal.checkpoint().isComplete)
        #expect(try replica.databaseFile() == primary.image)
    }

    @Test func aCheckpointWithNothingToDoDoesNothing() throws {
        #expect(try replica.wal.checkpoint().isComplete)
        try insert()
        _ = try replica.wal.checkpoint()
        let again = try replica.wal.checkpoint()
        #expect(again.isComplete && again.pagesWritten == 0)
    }

    @Test func anOpenReaderKeepsItsSnapshotAndHoldsBackLaterFrames() throws {
        try insert()
        let mark = replica.wal.frameCount
        let reader = try Connection(replica.path)
        try reader.run("BEGIN; SELECT * FROM t")
        let seen = primary.image
        try insert(2000)
        let held = try replica.wal.checkpoint()
        guard case .readMark(_, mark) = held.obstacle else {
            Issue.record("held back by \(String(describing: held.obstacle))")
            return
        }
        #expect(held.backfilled == mark)
        try insert(2)
        #expect(try reader.image() == seen)
        let grown = replica.wal.walBytes
        #expect(grown > 2000 * 9000)
        #expect(try Connection(replica.path).image() == primary.image)
        try reader.run("COMMIT")
        #expect(try reader.image() == primary.image)
        #expect(try replica.wal.checkpoint().isComplete)
        try insert()
        #expect(replica.wal.frameCount < 10)
        #expect(replica.wal.walBytes < grown / 1000)
        #expect(try reader.image() == primary.image)
    }

    @Test func aReaderOfTheFileAloneHoldsBackAllButNotTheRestart() throws {
        try insert()
        _ = try replica.wal.checkpoint()
        let reader = try Connection(replica.path)
        try reader.run("BEGIN; SELECT * FROM t")
        let seen = primary.image
        let frames = replica.wal.frameCount
        try insert()
        #expect(replica.wal.frames.count <= Int(frames) + 1)
        #expect(try replica.wal.checkpoint().obstacle == .readersOfDatabaseFile)
        #expect(try reader.image() == seen)
        try reader.run("COMMIT")
        #expect(try replica.wal.checkpoint().isComplete)
    }

    @Test func moreReadersThanMarksKeepTheirSnapshots() throws {
        var readers: [(Connection, [UInt8])] = []
        for _ in 1...9 {
            try insert()
            let reader = try Connection(replica.path)
            try reader.run("BEGIN; SELECT * FROM t")
            readers.append((reader, primary.image))
            _ = try replica.wal.checkpoint()
        }
        for (reader, seen) in readers { #expect(try reader.image() == seen) }
        for (reader, _) in readers { try reader.run("COMMIT") }
        #expect(try replica.wal.checkpoint().isComplete)
        for (reader, _) in readers { #expect(try reader.image() == primary.image) }
    }

    @Test func anotherCheckpointIsNotWaitedFor() throws {
        try insert()
        let other = try FileDescriptor.open(replica.path + "-shm", .readWrite)
        try other.tryLock(.exclusive, start: LockBytes.WALIndex.checkpoint, length: 1)
        #expect(try replica.wal.checkpoint().obstacle == .otherCheckpoint)
        try other.unlock(start: LockBytes.WALIndex.checkpoint, length: 1)
        #expect(try replica.wal.checkpoint().isComplete)
    }

    @Test func sqliteMayCheckpointToo() throws {
        try insert(5)
        let reader = try Connection(replica.path)
        #expect(try reader.run("PRAGMA wal_checkpoint") == ["0"])
        #expect(replica.wal.backfilledFrames == replica.wal.frameCount)
        #expect(try replica.databaseFile() == primary.image)
        try insert()
        #expect(replica.wal.frameCount < 10)
        #expect(try reader.image() == primary.image)
    }

    @Test func theLastReaderToCloseLeavesTheLog() throws {
        try insert()
        #expect(try sqlite(folder, replica.path, "SELECT count(*) FROM t") == "1\n")
        #expect(try replica.size("-wal") == replica.wal.walBytes)
        #expect(replica.wal.backfilledFrames == 0)
        try insert()
        #expect(try sqlite(folder, replica.path, "SELECT count(*) FROM t") == "2\n")
        replica.wal.close()
        #expect(try sqlite(folder, replica.path, "SELECT count(*) FROM t") == "2\n")
        #expect(!Files.exists(replica.path + "-wal") && !Files.exists(replica.path + "-shm"))
    }

    @Test func aVeryLongLogIsCutWhenItRestarts() throws {
        let reader = try Connection(replica.path)
        try insert()
        try reader.run("BEGIN; SELECT * FROM t")
        while replica.wal.walBytes <= ReplicaWAL.keptLogBytes {
            let blob = "INSERT OR REPLACE INTO t VALUES(7, randomblob(6000000))"
            try replica.apply(try primary.transaction(blob))
        }
        try reader.run("COMMIT")
        #expect(try replica.wal.checkpoint().isComplete)
        #expect(try replica.size("-wal") > ReplicaWAL.keptLogBytes)
        try insert()
        #expect(try replica.size("-wal") == replica.wal.walBytes)
        #expect(try reader.image() == primary.image)
    }

    @Test func anotherPageSizeWaitsForTheReadersOfTheLog() throws {
        try insert(3)
        let idle = try Connection(replica.path)
        try idle.run("SELECT * FROM t")
        let reader = try Connection(replica.path)
        try reader.run("BEGIN; SELECT * FROM t")
        let seen = primary.image
        _ = try replica.wal.checkpoint()
        let change = try primary.transaction("PRAGMA page_size=1024; VACUUM")
        #expect(change.pageSize.rawValue == 1024)
        guard let old = PageSize(4096) else { return }
        let wait = ApplyError(
            "replica.db-wal",
            .pageSizeChangeMustWait(log: old, wanted: change.pageSize)
        )
        #expect(throws: wait) { try replica.apply(change) }
        #expect(try reader.image() == seen)
        try reader.run("COMMIT")
        try replica.apply(change)
        #expect(try reader.image() == primary.image)
        #expect(try idle.image() == primary.image)
        try insert(3)
        #expect(try replica.wal.checkpoint().isComplete)
        #expect(try replica.databaseFile() == primary.image)
        #expect(try Connection(replica.path).run("PRAGMA integrity_check") == ["ok"])
    }
}
