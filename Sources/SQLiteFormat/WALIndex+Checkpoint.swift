import CShims

extension WALIndex {
    /// The value of a read mark that no reader may use.
    public static let unusedReadMark = UInt32.max

    /// `nBackfill`: the number of frames that are in the database file, from the first on.
    ///
    /// Only the holder of the lock byte CHECKPOINT changes it, or of WRITE when the log is restarted, to 0.
    public var backfilled: UInt32 {
        get { cshims_load_acquire_u32(base + 96) }
        nonmutating set { cshims_store_release_u32(base + 96, newValue) }
    }

    /// `nBackfillAttempted`: the number of frames that may be in the database file, from the first on.
    ///
    /// A checkpoint raises it before it writes to the file.
    public var backfillAttempted: UInt32 {
        get { cshims_load_acquire_u32(base + 128) }
        nonmutating set { cshims_store_release_u32(base + 128, newValue) }
    }

    /// A read mark: the last frame that readers of this mark see.
    ///
    /// Mark 0 is always 0: its readers use the database file alone. A checkpoint may not copy frames after the
    /// smallest mark that is in use, which is one whose lock byte somebody holds shared.
    ///
    /// - Parameter mark: 0 to 4; anything else is a programmer's mistake.
    /// - Returns: a frame number, or `unusedReadMark`.
    public func readMark(_ mark: Int) -> UInt32 {
        cshims_load_acquire_u32(address(ofReadMark: mark))
    }

    /// Changes a read mark.
    ///
    /// The caller holds the mark's lock byte exclusively.
    ///
    /// - Parameters:
    ///   - mark: 0 to 4; anything else is a programmer's mistake.
    ///   - frame: the last frame that readers of this mark see, or `unusedReadMark`.
    public func setReadMark(_ mark: Int, to frame: UInt32) {
        cshims_store_release_u32(address(ofReadMark: mark), frame)
    }

    /// Writes the checkpoint information of an index that was just built.
    ///
    /// Nothing counts as copied, mark 1 sees all of the log, and marks 2 to 4 are unused. SQLite does the same at
    /// the end of a recovery, and with an `mxFrame` of 0 after a restart of the log. The caller holds the lock
    /// bytes of marks 1 to 4 exclusively, so that no reader relies on the old values.
    ///
    /// - Parameter mxFrame: the last frame of the last commit, or 0.
    public func resetCheckpointInformation(mxFrame: UInt32) {
        backfilled = 0
        backfillAttempted = mxFrame
        setReadMark(0, to: 0)
        setReadMark(1, to: mxFrame)
        for mark in 2..<LockBytes.WALIndex.readCount {
            setReadMark(mark, to: Self.unusedReadMark)
        }
    }

    private func address(ofReadMark mark: Int) -> UnsafeMutableRawPointer {
        precondition((0..<LockBytes.WALIndex.readCount).contains(mark), "there are five read marks")
        return base + 100 + 4 * mark
    }
}
