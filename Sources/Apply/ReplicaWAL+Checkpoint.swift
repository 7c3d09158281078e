import Faults
import POSIX
import SQLiteFormat

extension ReplicaWAL {
    /// Copies frames to the database file, as far as the readers' marks allow (a `PASSIVE` checkpoint).
    ///
    /// Never waits. Of each page only the newest version that may be copied is written. Once all frames are copied,
    /// the file has the size that the last commit says, and if `synchronous` was asked for, it is on disk.
    ///
    /// - Returns: what was done, and who kept it from doing more.
    /// - Throws: `ApplyError`: the frames count as not copied, and nothing is lost. After the log could not be
    ///   synchronized, each further checkpoint throws `unsynchronized`: open the log anew.
    public func checkpoint() throws(ApplyError) -> CheckpointResult {
        precondition(!isWriting, "a checkpoint within a transaction")
        var result = CheckpointResult(frames: frameCount, backfilled: backfilledFrames, pagesWritten: 0)
        if result.isComplete { return result }
        if logIsUnsynchronized { throw ApplyError(log.name, .unsynchronized) }
        guard try shared.file.tryLock(.checkpoint) else {
            result.obstacle = .otherCheckpoint
            return result
        }
        defer { shared.file.unlock(.checkpoint) }
        try shared.refresh()
        result.backfilled = min(shared.index.backfilled, frameCount)
        let safe = try shared.safeFrame(through: frameCount, &result.obstacle)
        guard safe > result.backfilled else { return result }
        guard try shared.file.tryLock(.read(0)) else {
            result.obstacle = .readersOfDatabaseFile
            return result
        }
        defer { shared.file.unlock(.read(0)) }
        // A program that was refused has begun the log anew in the index (`checkIndex`), because all of it is copied; with mark 0 locked nobody
        // can do so from here on. To count frames as copied there would have its next log, if this node becomes the primary, never copied.
        try shared.refresh()
        guard let present = shared.index.readHeader(), agrees(with: present) else { return result }
        try shared.setBackfillAttempted(safe)
        if synchronous { try synchronizeLog() }
        let first = copiesFromStart ? 0 : result.backfilled
        let copy = FrameCopy(from: log, to: database, pageSize: chain.pageSize)
        result.pagesWritten = try copy.frames(
            after: first,
            pages: frames[Int(first)..<Int(safe)],
            pageCount: pageCount
        )
        if safe == frameCount { try finishDatabase() }
        try shared.setBackfilled(safe)
        result.backfilled = safe
        return result
    }

    /// Whether the log's bytes on disk are unknown, so that `rewrite` must come before a checkpoint.
    public var mustBeRewritten: Bool { logIsUnsynchronized }

    /// Writes the log again and puts it on disk, after a sync of it failed.
    ///
    /// The kernel takes pages whose writing failed for written: another sync would succeed without them.
    ///
    /// - Parameter file: The file in which the log lies, on the disk. Readers see the same bytes all the time.
    /// - Throws: `ApplyError`; then the log is as unsynchronized as before. `unsynchronized` if the log is not what was
    ///   written to it any more: what is left of it is found by opening it anew.
    public func rewrite(_ file: borrowing FileDescriptor) throws(ApplyError) {
        try LogRewrite.run(file, log.name, frames: frames, chain: chain)
        logIsUnsynchronized = false
    }

    private func synchronizeLog() throws(ApplyError) {
        do throws(ApplyError) {
            try log.synchronize(passing: .checkpointLogSync)
        } catch {
            logIsUnsynchronized = true
            throw error
        }
    }

    /// Gives the database file its size, and makes it last.
    private func finishDatabase() throws(ApplyError) {
        let size = Int64(pageCount) * Int64(chain.pageSize.rawValue)
        if try database.size() != size {
            try database.truncate(to: size, passing: .checkpointDatabaseTruncate)
        }
        guard synchronous else { return }
        do throws(ApplyError) {
            try database.synchronize(passing: .checkpointDatabaseSync)
        } catch {
            copiesFromStart = true
            throw error
        }
        copiesFromStart = false
    }
}
