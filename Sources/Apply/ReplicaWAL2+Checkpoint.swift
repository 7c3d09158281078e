import Faults
import POSIX
import SQLiteFormat

extension ReplicaWAL2 {
    /// Copies the file that is not written to the database file, if no reader began while it was written.
    ///
    /// Never waits. The database file is not made shorter: readers know the size from the wal-index.
    ///
    /// - Returns: what was done, and who kept it from doing more.
    /// - Throws: `ApplyError`: the frames count as not copied, and nothing is lost.
    public func checkpoint() throws(ApplyError) -> CheckpointResult {
        precondition(!isWriting, "a checkpoint within a transaction")
        let other = file.other
        let pages = committed[other]
        var result = CheckpointResult(frames: UInt32(pages.count), backfilled: 0, pagesWritten: 0)
        if pages.isEmpty { return result }
        let log = logs[Int(other.rawValue)]
        if unsynchronized == other { throw ApplyError(log.name, .unsynchronized) }
        try shared.refresh()
        if isOtherCopied, shared.index.backfilled == 1 {
            result.backfilled = result.frames
            return result
        }
        guard try shared.file.tryLock(.checkpoint) else {
            result.obstacle = .otherCheckpoint
            return result
        }
        defer { shared.file.unlock(.checkpoint) }
        guard try shared.file.tryLock(.readers(of: other)) else {
            result.obstacle = .readersOf(other)
            return result
        }
        defer { shared.file.unlock(.readers(of: other)) }
        result.pagesWritten = try copy(other)
        // A program that was refused has the log go on in the other file, in the index alone (`checkIndex`): of the file that is the other one then
        // nothing is copied. WRITE keeps programs from doing so just now.
        guard try shared.file.tryLock(.write) else { return result }
        defer { shared.file.unlock(.write) }
        try shared.refresh()
        guard let present = shared.index.readHeader(), agrees(with: present) else { return result }
        try shared.setBackfilled(1)
        isOtherCopied = true
        result.backfilled = result.frames
        return result
    }

    /// Copies both files, while nobody else has the database open, and gives the database file its size.
    ///
    /// - Returns: true.
    /// - Throws: `ApplyError`, as `checkpoint`.
    public func copyAll() throws(ApplyError) -> Bool {
        guard !committed.isEmpty else { return true }
        _ = try copy(file.other)
        _ = try copy(file)
        let size = Int64(published.pageCount) * Int64(pageSize.rawValue)
        if try files.database.size() != size {
            try files.database.truncate(to: size, passing: .checkpointDatabaseTruncate)
        }
        return true
    }

    /// Copies a file to the database file; both are on disk afterwards.
    private func copy(_ which: WALFile) throws(ApplyError) -> Int {
        let pages = committed[which]
        let log = logs[Int(which.rawValue)]
        do throws(ApplyError) {
            try log.synchronize(passing: .checkpointLogSync)
        } catch {
            unsynchronized = which
            throw error
        }
        let copy = FrameCopy(from: log, to: files.database, pageSize: pageSize)
        let count = try copy.frames(after: 0, pages: pages[...], pageCount: published.pageCount)
        try files.database.synchronize(passing: .checkpointDatabaseSync)
        return count
    }
}
