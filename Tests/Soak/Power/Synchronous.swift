/// The settings of `PRAGMA synchronous`.
enum Synchronous: String, CaseIterable {
    case off = "OFF"
    case normal = "NORMAL"
    case full = "FULL"
    case extra = "EXTRA"

    /// What is promised when a COMMIT has returned.
    func promise(_ journalMode: String) -> CommitPromise {
        switch (self, journalMode) {
        case (.off, _), (.normal, "wal"): .nothing
        case (.extra, _), (.full, "wal"), (.full, "truncate"), (.full, "persist"): .commit
        // The removal of the journal is on disk with the next one; the cut or the zeroed header of it may be, too.
        case (.full, _), (.normal, _): .commitBefore
        }
    }
}

/// What a commit that returned leaves on disk.
enum CommitPromise {
    /// It may be gone, and those before it.
    case nothing
    /// It may be gone; the one before it is there.
    case commitBefore
    /// It is there.
    case commit
}
