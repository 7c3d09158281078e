import POSIX
import SQLiteFormat

/// The files of a database, open through the own mount, with the locks that keep them in place.
///
/// Invariant: while they are held, no reader that opens the database empties the wal-index, and none that closes it copies or
/// removes the log: SQLite does either only for whoever is alone. So a replica's readers find the wal-index as the daemon wrote it,
/// also when the daemon cannot read the log.
///
/// One thread uses it, and holds no lock that a FUSE handler takes.
public final class HeldFiles {
    let database: OpenFile
    let log: OpenFile
    /// `-wal2`, of a database in wal2 mode.
    let log2: OpenFile?
    let index: OpenFile

    /// Opens the files and takes SHARED on the database and the dead-man switch of the wal-index.
    ///
    /// - Parameters:
    ///   - name: the database file; `-wal` and `-shm` stand beside it. All three must exist.
    ///   - isWAL2: whether there is a `-wal2`, too.
    ///   - directory: the descriptor of the folder; used during the call only.
    ///   - others: files of the same database, alone with it (`isAlone`), whose `-shm` has another one in its place now: they let others in
    ///     when the new one is held, so that nobody finds it without its lock. The caller closes them.
    /// - Throws: `ApplyError`: a system call, or a lock that another process keeps for seconds.
    public init(
        name: String,
        isWAL2: Bool = false,
        directory: Int32,
        after others: HeldFiles? = nil
    ) throws(ApplyError) {
        database = try OpenFile(name, in: directory)
        if others == nil { try database.lock(.shared) }
        log = try OpenFile(name + "-wal", in: directory)
        log2 = isWAL2 ? try OpenFile(name + "-wal2", in: directory) : nil
        index = try OpenFile(name + "-shm", in: directory)
        try index.lock(.deadManSwitch)
        if let others {
            try others.database.lock(.shared)
            try database.lock(.shared)
        }
    }

    /// Whether nobody else has the database open, so that its journal mode may change.
    ///
    /// If so, nobody can open it before the files are closed.
    public func isAlone() throws(ApplyError) -> Bool {
        guard try database.tryLock(.exclusive) else { return false }
        if try index.tryLock(.aloneWithIndex) { return true }
        _ = try database.tryLock(.shared)
        return false
    }

    /// Lets others in again, after `isAlone`.
    public func share() {
        _ = try? database.tryLock(.shared)
        _ = try? index.tryLock(.deadManSwitch)
    }

    /// Has the header of the database file say a journal mode, on disk.
    public func write(_ mode: JournalMode) throws(ApplyError) {
        let bytes = [mode.versionByte, mode.versionByte]
        let result = bytes.withUnsafeBytes { bytes in
            Result { () throws(ApplyError) in
                try database.write(
                    bytes,
                    at: Int64(DatabaseHeader.writeVersionOffset),
                    passing: .checkpointDatabaseWrite
                )
            }
        }
        try result.get()
        try database.synchronize(passing: .checkpointDatabaseSync)
    }

    /// Closes the files, which gives up the locks.
    public func close() {
        index.close()
        log.close()
        log2?.close()
        database.close()
    }
}
