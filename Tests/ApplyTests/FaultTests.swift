import POSIX
import SQLiteFormat
import Testing

@testable import Apply

@Suite struct FaultTests {
    let folder: TemporaryFolder
    let primary: Primary
    let replica: Replica
    let reader: Connection

    init() throws {
        folder = try TemporaryFolder()
        primary = try Primary(folder)
        replica = try Replica(folder, of: primary, synchronous: true)
        reader = try Connection(replica.path)
    }

    private func insert(_ bytes: Int = 9000) throws -> PageTransaction {
        try primary.transaction("INSERT INTO t(b) VALUES(randomblob(\(bytes)))")
    }

    /// Lets the nth call of a kind fail, counted from 1.
    private func fail(_ file: OpenFile, _ call: OpenFile.Call, nth: Int = 1, _ errno: Errno) {
        var count = 0
        file.fault = { made in
            guard made == call else { return nil }
            count += 1
            return count == nth ? errno : nil
        }
    }

    private func error(_ file: OpenFile, _ call: OpenFile.Call, _ errno: Errno) -> ApplyError {
        ApplyError(file.name, .system(call: call.rawValue, errno))
    }

    @Test(arguments: 1...4)
    func aFullDiskUnderTheLogLosesOnlyTheTransaction(nth: Int) throws {
        try replica.apply(try insert())
        let before = primary.image
        let large = try insert(3_500_000)
        fail(replica.wal.log, .write, nth: nth, .noSpace)
        #expect(throws: error(replica.wal.log, .write, .noSpace)) { try replica.apply(large) }
        #expect(try reader.image() == before)
        #expect(try replica.content().commits.count == 1)
        try replica.apply(large)
        #expect(try reader.image() == primary.image)
    }

    @Test(arguments: [OpenFile.Call.write, .synchronize])
    func aFullDiskUnderANewHeaderLosesOnlyTheTransaction(call: OpenFile.Call) throws {
        try replica.apply(try insert())
        #expect(try replica.wal.checkpoint().isComplete)
        let before = primary.image
        let next = try insert()
        fail(replica.wal.log, call, .noSpace)
        #expect(throws: error(replica.wal.log, call, .noSpace)) { try replica.apply(next) }
        #expect(try reader.image() == before)
        try replica.apply(next)
        #expect(try reader.image() == primary.image)
    }

    @Test func aFullDiskUnderTheIndexLosesOnlyTheTransaction() throws {
        try replica.apply(try insert())
        let before = primary.image
        let large = try insert(20_000_000)
        fail(replica.wal.shared.file, .write, .noSpace)
        #expect(throws: error(replica.wal.shared.file, .write, .noSpace)) { try replica.apply(large) }
        #expect(try reader.image() == before)
        try replica.apply(large)
        #expect(try reader.image() == primary.image)
    }

    @Test(arguments: [100, 9000, 90_000], 1...12)
    func aFailedWriteOfTheIndexLosesOnlyTheTransaction(bytes: Int, nth: Int) throws {
        try replica.apply(try insert())
        if nth % 2 == 0 { _ = try replica.wal.checkpoint() }
        let before = primary.image
        let next = try insert(bytes)
        fail(replica.wal.shared.file, .write, nth: nth, .io)
        if (try? replica.apply(next)) == nil {
            #expect(try reader.image() == before)
            #expect(try Connection(replica.path).image() == before)
            replica.wal.shared.file.fault = nil
            try replica.apply(next)
        }
        #expect(try reader.image() == primary.image)
        replica.wal.shared.file.fault = nil
        try replica.apply(try insert())
        #expect(try Connection(replica.path).image() == primary.image)
        #expect(try replica.wal.checkpoint().isComplete)
        #expect(try replica.databaseFile() == primary.image)
    }

    @Test(arguments: 1...5)
    func aCheckpointThatCannotWriteTheIndexCostsNothingButTime(nth: Int) throws {
        try replica.apply(try insert())
        try reader.run("BEGIN; SELECT * FROM t; COMMIT")
        try replica.apply(try insert())
        fail(replica.wal.shared.file, .write, nth: nth, .io)
        let result = try? replica.wal.checkpoint()
        #expect(result == nil || nth > 3)
        #expect(try reader.image() == primary.image)
        replica.wal.shared.file.fault = nil
        #expect(try replica.wal.checkpoint().isComplete)
        #expect(try replica.databaseFile() == primary.image)
    }

    @Test func aFailedIndexWriteLosesOnlyTheTransactionInEachRegion() throws {
        try replica.apply(try insert(16_500_000))
        let before = primary.image
        let large = try insert(3_000_000)
        for nth in 1...8 {
            fail(replica.wal.shared.file, .write, nth: nth, .io)
            guard (try? replica.apply(large)) == nil else { break }
            #expect(try reader.image() == before)
        }
        replica.wal.shared.file.fault = nil
        if try reader.image() == before { try replica.apply(large) }
        #expect(try reader.image() == primary.image)
    }

    @Test func aSmallCommitMakesFewCalls() throws {
        try replica.apply(try insert(10))
        let update = try primary.transaction("PRAGMA user_version = 5")
        #expect(update.pages.count == 1)
        var calls: [OpenFile.Call] = []
        for file in [replica.wal.log, replica.wal.shared.file] {
            file.fault = { call in
                calls.append(call)
                return nil
            }
        }
        try replica.apply(update)
        #expect(calls == [.lock, .read, .write, .write, .write, .write, .lock])
        #expect(try reader.image() == primary.image)
    }

    @Test func aCommitThatWasWrittenAndGivenUpIsRevoked() throws {
        try replica.apply(try insert())
        let before = primary.image
        let next = try insert()
        try replica.wal.begin(pageSize: next.pageSize)
        try replica.appendPages(next)
        _ = try replica.wal.writer.finish(pageCount: next.pageCount)
        #expect(try replica.content().commits.count == 2)
        replica.wal.abandon()
        #expect(try replica.content().commits.count == 1)
        #expect(try reader.image() == before)
        try replica.apply(next)
        #expect(try reader.image() == primary.image)
    }

    @Test func aDatabaseFileThatCannotBeWrittenCostsNothingButTime() throws {
        try replica.apply(try insert())
        fail(replica.wal.database, .write, .io)
        #expect(throws: error(replica.wal.database, .write, .io)) { try replica.wal.checkpoint() }
        #expect(replica.wal.backfilledFrames == 0)
        #expect(try reader.image() == primary.image)
        try replica.apply(try insert())
        #expect(try replica.wal.checkpoint().isComplete)
        #expect(try replica.databaseFile() == primary.image)
    }

    @Test func aLogThatCannotBeSynchronizedIsNotCopied() throws {
        try replica.apply(try insert())
        let file = try replica.databaseFile()
        fail(replica.wal.log, .synchronize, .io)
        #expect(throws: error(replica.wal.log, .synchronize, .io)) { try replica.wal.checkpoint() }
        let again = ApplyError("replica.db-wal", .unsynchronized)
        #expect(throws: again) { try replica.wal.checkpoint() }
        #expect(try replica.databaseFile() == file)
        try replica.apply(try insert())
        #expect(try reader.image() == primary.image)
        try replica.reopen(alive: true)
        #expect(try replica.wal.checkpoint().isComplete)
    }

    @Test func aFileThatCouldNotBeSynchronizedIsCopiedAsAWhole() throws {
        try replica.apply(try insert())
        try reader.run("BEGIN; SELECT * FROM t")
        try replica.apply(try primary.transaction("CREATE TABLE u(x)"))
        let partly = try replica.wal.checkpoint()
        #expect(partly.backfilled > 0 && !partly.isComplete)
        try reader.run("COMMIT")
        fail(replica.wal.database, .synchronize, .io)
        #expect(throws: error(replica.wal.database, .synchronize, .io)) { try replica.wal.checkpoint() }
        #expect(replica.wal.backfilledFrames == partly.backfilled)
        let whole = try replica.wal.checkpoint()
        #expect(whole.isComplete)
        #expect(whole.pagesWritten == Set(replica.wal.frames).count)
    }

    @Test func aWriteLockThatAReaderHoldsForAMomentIsWaitedFor() throws {
        let other = OtherLock(try FileDescriptor.open(replica.path + "-shm", .readWrite))
        try other.take()
        var tries = 0
        replica.wal.shared.file.fault = { call in
            tries += call == .lock ? 1 : 0
            if tries == 4 { other.giveUp() }
            return nil
        }
        try replica.apply(try insert())
        #expect(tries >= 4)
        #expect(try reader.image() == primary.image)
    }

    @Test func aWriteLockThatIsNeverGivenBackIsAnError() throws {
        let other = OtherLock(try FileDescriptor.open(replica.path + "-shm", .readWrite))
        try other.take()
        let next = try insert()
        #expect(throws: ApplyError("replica.db-shm", .lockHeld("WRITE"))) { try replica.apply(next) }
        other.giveUp()
        try replica.apply(next)
        #expect(try reader.image() == primary.image)
    }
}

/// Another process's lock WRITE.
private final class OtherLock {
    private let file: FileDescriptor

    init(_ file: consuming FileDescriptor) {
        self.file = file
    }

    func take() throws(Errno) {
        try file.tryLock(.exclusive, start: LockBytes.WALIndex.write, length: 1)
    }

    func giveUp() {
        try? file.unlock(start: LockBytes.WALIndex.write, length: 1)
    }
}
