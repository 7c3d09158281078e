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
    let index: OpenFile

    /// Opens the files and takes SHARED on the database and the dead-man switch of the wal-index.
    ///
    /// - Parameters:
    ///   - name: the database file; `-wal` and `-shm` stand beside it. All three must exist.
    ///   - directory: the descriptor of the folder; used during the call only.
    /// - Throws: `ApplyError`: a system call, or a lock that another process keeps for seconds.
    public init(name: String, directory: Int32) throws(ApplyError) {
        database = try OpenFile(name, in: directory)
        try database.lock(.shared)
        log = try OpenFile(name + "-wal", in: directory)
        index = try OpenFile(name + "-shm", in: directory)
        try index.lock(.deadManSwitch)
    }

    /// Closes the files, which gives up the locks.
    public func close() {
        index.close()
        log.close()
        database.close()
    }
}
