import POSIX
import SQLiteFormat

/// Copies the log of a database that others write to back into the database file, so that the next writer begins it anew.
///
/// SQLite does that itself whenever the writers pause: its own checkpoints wait for nobody. While several write without a
/// pause there are always more frames than the last checkpoint copied, and the log grows without end. Here the last frames may be
/// copied while nobody writes, as SQLite's RESTART checkpoint does.
///
/// Invariants:
/// - SQLite's locks: CHECKPOINT all the time, READ0 while pages are written, WRITE for the last frames. Frames that a reader's
///   mark still needs are not copied.
/// - What is copied cannot be overwritten meanwhile. A writer begins the log anew only when all of it counts as copied, and only
///   the holder of CHECKPOINT says so. Whether it had begun anew already is seen by its salts, which it changes first.
/// - The log is on disk before pages are written to the database file, and that before its frames count as copied.
///
/// One thread uses it, and holds no lock that a FUSE handler takes.
public final class LogRestart {
    private let files: HeldFiles
    private let shared: IndexFile

    /// Writers are not stopped before so few frames are left, or as few as can be.
    private static let framesUnderLock: UInt32 = 256
    /// Most frames that are copied while nobody may write.
    private static let mostFramesUnderLock: UInt32 = 16_384
    /// Longest time to wait for a pause between two writers or two checkpoints, and for readers to leave the log.
    private static let patience = Duration.milliseconds(20)
    /// Longest time to wait, while nobody may write, for the end of another's checkpoint.
    private static let checkpointPatience = Duration.milliseconds(200)

    /// Opens the files of a database, all of which must exist.
    ///
    /// - Parameters:
    ///   - name: the database file; `-wal` and `-shm` stand beside it.
    ///   - directory: the descriptor of the folder; used during the call only.
    /// - Throws: `ApplyError`: a system call, or a lock that another process keeps for seconds.
    public init(name: String, directory: Int32) throws(ApplyError) {
        files = try HeldFiles(name: name, directory: directory)
        do throws(ApplyError) {
            // Never made longer: with the dead-man switch held, a short one is one that SQLite is about to fill.
            try Self.checkSize(files.index, frames: 0)
            shared = try IndexFile(files.index, frames: 0)
        } catch {
            files.close()
            throw error
        }
    }

    private static func checkSize(_ index: OpenFile, frames: UInt32) throws(ApplyError) {
        let needed = Int64(WALIndexPart.whole.regionCount(forFrames: frames)) * Int64(WALIndex.regionSize)
        guard try index.size() >= needed else {
            throw ApplyError(index.name, .truncated(offset: 0, needed: Int(needed)))
        }
    }

    /// Closes the files, which gives up the locks.
    public func close() {
        shared.close()
        files.close()
    }

    /// Copies all frames, if readers allow it.
    ///
    /// - Parameter stopsWriters: whether WRITE may be taken for the last frames, for milliseconds; without it the log begins anew
    ///   only if a writer pauses for as long as they take.
    /// - Returns: what was done, and who kept it from doing more. When it is complete and has no obstacle, the next writer begins
    ///   the log anew.
    /// - Throws: `ApplyError`: the frames count as not copied, and nothing is lost.
    public func run(stopsWriters: Bool) throws(ApplyError) -> CheckpointResult {
        guard try lock(.checkpoint, patience: Self.patience) else {
            // Writers that never pause copy frames all the time, so that few are left.
            return stopsWriters ? try copyRest() : .nothing(because: .otherCheckpoint)
        }
        defer { shared.file.unlock(.checkpoint) }
        var rest = UInt32.max
        // As long as each round leaves less than the one before.
        while true {
            let result = try copy()
            if result.obstacle != nil { return result }
            let left = try framesLeft()
            if left == 0, !stopsWriters, try onceReadersLeft(isCopied) { return result }
            let isShrinking = left < rest / 2
            rest = left
            if left <= Self.framesUnderLock || !isShrinking { break }
        }
        guard stopsWriters, try lock(.write, patience: Self.patience) else {
            return .nothing(because: .writer)
        }
        defer { shared.file.unlock(.write) }
        return try copyLast()
    }

    /// Stops writers first, so that they begin no other checkpoint, then waits for the end of the one that is under way.
    private func copyRest() throws(ApplyError) -> CheckpointResult {
        guard try lock(.write, patience: Self.patience) else { return .nothing(because: .writer) }
        defer { shared.file.unlock(.write) }
        guard try lock(.checkpoint, patience: Self.checkpointPatience) else {
            return .nothing(because: .otherCheckpoint)
        }
        defer { shared.file.unlock(.checkpoint) }
        return try copyLast()
    }

    /// Copies the last frames, and lets readers leave the log.
    ///
    /// The caller holds CHECKPOINT and WRITE.
    private func copyLast() throws(ApplyError) -> CheckpointResult {
        guard try framesLeft() <= Self.mostFramesUnderLock else { return .nothing(because: .writer) }
        let deadline = MonotonicTime.now + Self.patience
        while true {
            var result = try copy()
            if result.isComplete, result.obstacle == nil, try !onceReadersLeft(restart) {
                result.obstacle = .readersOfLog
            }
            // A reader of moments sees frames that are old already.
            if result.obstacle == nil || MonotonicTime.now > deadline { return result }
            pause(.microseconds(50))
        }
    }

    /// Lets the wal-index begin anew; the next writer then does with the log.
    ///
    /// The caller holds CHECKPOINT and WRITE, all frames are copied, and nobody reads from the log. Until a writer comes the old log says the same as the database
    /// file. It is not left to that writer to begin anew: SQLite before 3.51.3 may take a log that was begun anew while another
    /// connection was about to copy it for the old one, and count frames as copied that are not.
    ///
    /// - Returns: true.
    private func restart() throws(ApplyError) -> Bool {
        guard let (header, backfilled) = try readHeader(), header.mxFrame > 0, backfilled == header.mxFrame
        else {
            return true
        }
        var next = header
        next.mxFrame = 0
        next.salt1 = header.salt1 &+ 1
        next.salt2 = .random(in: 0 ... .max)
        next.changeCounter &+= 1
        // As SQLite does it: whoever reads the header and then the rest sees by the salts that they do not belong together.
        try shared.publish(next)
        try shared.resetCheckpointInformation()
        return true
    }

    /// Waits until nobody reads from the log, of which all frames are copied: who comes later reads the database file.
    ///
    /// - Parameter body: done while nobody can begin to read from the log.
    /// - Returns: what `body` returns; false when readers stay.
    /// - Throws: `ApplyError`: that of `body`, or a lock that cannot be asked for.
    private func onceReadersLeft(_ body: () throws(ApplyError) -> Bool) throws(ApplyError) -> Bool {
        guard try lock(.readersOfLog, patience: Self.patience) else { return false }
        defer { shared.file.unlock(.readersOfLog) }
        return try body()
    }

    /// One checkpoint, as far as readers allow.
    ///
    /// The caller holds CHECKPOINT.
    private func copy() throws(ApplyError) -> CheckpointResult {
        guard let (header, backfilled) = try readHeader(), let pageSize = header.pageSize else {
            return .nothing(because: .writer)
        }
        guard try header.mxFrame <= WALFrames.count(fileSize: files.log.size(), pageSize: pageSize) else {
            throw ApplyError(shared.file.name, .indexDisagrees(logFrames: 0, indexFrames: header.mxFrame))
        }
        var result = CheckpointResult(frames: header.mxFrame, backfilled: backfilled, pagesWritten: 0)
        if result.isComplete { return result }
        let safe = try shared.safeFrame(through: header.mxFrame, &result.obstacle)
        guard safe > result.backfilled else { return result }
        guard try shared.file.tryLock(.read(0)) else {
            result.obstacle = .readersOfDatabaseFile
            return result
        }
        defer { shared.file.unlock(.read(0)) }
        let pages = try pages(after: result.backfilled, through: safe)
        try shared.setBackfillAttempted(safe)
        try files.log.synchronize(passing: .checkpointLogSync)
        result.pagesWritten = try FrameCopy(from: files.log, to: files.database, pageSize: pageSize)
            .frames(after: result.backfilled, pages: pages, pageCount: header.pageCount)
        if safe == header.mxFrame {
            // Whatever was committed since: pages that it added are in the log, and nobody reads the file alone.
            let size = Int64(header.pageCount) * Int64(pageSize.rawValue)
            if try files.database.size() != size {
                try files.database.truncate(to: size, passing: .checkpointDatabaseTruncate)
            }
            try files.database.synchronize(passing: .checkpointDatabaseSync)
        }
        try shared.setBackfilled(safe)
        result.backfilled = safe
        return result
    }

    /// The published header, and how many of its frames the database file has; nil when a writer is in the middle of a change.
    private func readHeader() throws(ApplyError) -> (header: WALIndexHeader, backfilled: UInt32)? {
        try shared.refresh()
        guard let header = shared.index.readHeader() else { return nil }
        let backfilled = min(shared.index.backfilled, header.mxFrame)
        // Whoever begins the log anew changes the salts first: if they are the same now, the number was that of this log.
        try shared.refresh()
        guard let now = shared.index.readHeader(), now.salt1 == header.salt1, now.salt2 == header.salt2 else {
            return nil
        }
        return (header, backfilled)
    }

    private func isCopied() throws(ApplyError) -> Bool { try framesLeft() == 0 }

    private func framesLeft() throws(ApplyError) -> UInt32 {
        guard let (header, backfilled) = try readHeader() else { return 0 }
        return header.mxFrame - backfilled
    }

    /// The pages of frames, by the wal-index.
    private func pages(after first: UInt32, through last: UInt32) throws(ApplyError) -> [UInt32] {
        try Self.checkSize(files.index, frames: last)
        try shared.reserve(frames: last)
        try shared.reload()
        var pages: [UInt32] = []
        pages.reserveCapacity(Int(last - first))
        do throws(SQLiteFormatError) {
            for frame in first + 1...last {
                guard let page = try shared.index.page(ofFrame: frame) else { break }
                pages.append(page.rawValue)
            }
        } catch {
            throw ApplyError(shared.file.name, .format(error))
        }
        guard pages.count == last - first else {
            throw ApplyError(
                shared.file.name,
                .indexDisagrees(logFrames: first + UInt32(pages.count), indexFrames: last)
            )
        }
        return pages
    }

    /// Takes a lock that others hold for moments only; false when they hold it for longer.
    private func lock(_ lock: LockRange, patience: Duration) throws(ApplyError) -> Bool {
        do throws(ApplyError) {
            try shared.file.lock(lock, patience: patience, longestRest: .microseconds(50))
            return true
        } catch {
            if case .lockHeld = error.reason { return false }
            throw error
        }
    }
}

extension CheckpointResult {
    fileprivate static func nothing(because obstacle: Obstacle) -> CheckpointResult {
        var result = CheckpointResult(frames: 0, backfilled: 0, pagesWritten: 0)
        result.obstacle = obstacle
        return result
    }
}
