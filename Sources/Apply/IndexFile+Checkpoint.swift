import SQLiteFormat

// A word that others may read meanwhile is written for itself, and only by the holder of its lock. The kernel may copy
// its bytes one by one, from the lowest on. For nBackfill, which grows until it falls to 0, each value between is at
// most the new one on a little-endian host, and too small a value only makes readers use the log. A read mark is
// looked at again by the reader that has its lock.

extension IndexFile {
    private static let backfilledOffset = 96
    private static let readMarksOffset = 100
    private static let attemptedOffset = 128

    /// Says how many frames the database file has.
    ///
    /// The caller holds CHECKPOINT, or WRITE to set it to 0.
    func setBackfilled(_ frames: UInt32) throws(ApplyError) {
        index.backfilled = frames
        try writeWords(at: Self.backfilledOffset)
    }

    /// Says how many frames the database file may have.
    ///
    /// The caller holds CHECKPOINT, or WRITE to set it to 0.
    func setBackfillAttempted(_ frames: UInt32) throws(ApplyError) {
        index.backfillAttempted = frames
        try writeWords(at: Self.attemptedOffset)
    }

    /// Changes a read mark, of which the caller holds the lock.
    func setReadMark(_ mark: Int, to frame: UInt32) throws(ApplyError) {
        index.setReadMark(mark, to: frame)
        try writeWords(at: Self.readMarksOffset + 4 * mark)
    }

    /// The last frame that may be copied to the database file; marks that nobody uses are moved out of the way.
    ///
    /// The marks are those of the last `refresh`. A reader that has set one since then uses it only if no header was
    /// published meanwhile, so it sees all frames. The caller holds CHECKPOINT.
    ///
    /// - Parameters:
    ///   - last: the last frame of the log.
    ///   - obstacle: says who is in the way, if somebody is.
    /// - Returns: `last`, or the last frame that a reader in the way sees.
    /// - Throws: `ApplyError` when the file cannot be locked or written.
    func safeFrame(
        through last: UInt32,
        _ obstacle: inout CheckpointResult.Obstacle?
    ) throws(ApplyError) -> UInt32 {
        var safe = last
        for mark in 1..<LockBytes.WALIndex.readCount {
            let frame = index.readMark(mark)
            guard frame < safe else { continue }
            if try file.tryLock(.read(mark)) {
                defer { file.unlock(.read(mark)) }
                try setReadMark(mark, to: mark == 1 ? safe : WALIndex.unusedReadMark)
            } else {
                safe = frame
                obstacle = .readMark(mark, frame: frame)
            }
        }
        return safe
    }

    /// Writes the checkpoint information of a log without frames.
    ///
    /// The caller holds WRITE, and the locks of marks 1 to 4.
    func resetCheckpointInformation() throws(ApplyError) {
        index.resetCheckpointInformation(mxFrame: 0)
        try writeWords(at: Self.backfilledOffset)
        try writeWords(at: Self.attemptedOffset)
        try writeWords(at: Self.readMarksOffset + 4, count: LockBytes.WALIndex.readCount - 1)
    }

    private func writeWords(at offset: Int, count: Int = 1) throws(ApplyError) {
        try write(offset..<offset + 4 * count, passing: .checkpointIndexWrite)
    }
}
