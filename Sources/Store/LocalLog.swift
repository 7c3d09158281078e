import Apply
import POSIX
import SQLiteFormat

/// A replica's files, held in place through the own mount, on a thread that can be killed at any time (`MountThread`).
final class LocalFiles: @unchecked Sendable {
    // SAFETY: `held` is touched by the mount thread alone.
    fileprivate let held: HeldFiles
    fileprivate let thread: MountThread

    /// Opens the files of a database on the mount and takes the locks that keep them in place.
    init(
        _ name: DatabaseName,
        isWAL2: Bool,
        mount: Int32,
        ownThreads: OwnThreads
    ) throws(ApplyError) {
        let thread = MountThread("mount-\(name)", root: mount, ownThreads: ownThreads)
        do throws(ApplyError) {
            held = try thread.run { () throws(ApplyError) in
                try HeldFiles(name: name.text, isWAL2: isWAL2, directory: mount)
            }
        } catch {
            thread.stop()
            throw error
        }
        self.thread = thread
    }

    /// Opens the files that took the place of others, so that nobody comes in between; the others are closed, and their thread goes on.
    ///
    /// When it throws the others stay as they are.
    init(_ name: DatabaseName, isWAL2: Bool, mount: Int32, after others: LocalFiles) throws(ApplyError) {
        thread = others.thread
        held = try thread.run { () throws(ApplyError) in
            try HeldFiles(name: name.text, isWAL2: isWAL2, directory: mount, after: others.held)
        }
    }

    /// Closes the files, gives up the locks, ends the thread.
    func close() {
        thread.run { held.close() }
        thread.stop()
    }
}

/// A replica's write-ahead log, used through the own mount.
final class LocalLog: @unchecked Sendable {
    // SAFETY: `wal` is touched by the mount thread, except for numbers that it holds in memory, which the one caller asks for
    // while the mount thread waits for work.
    private let wal: any ReplicaLog
    private let files: LocalFiles

    /// The journal mode that readers find: `wal` or `wal2`.
    let mode: JournalMode

    /// Goes on with the log of files that are held.
    ///
    /// When it throws they stay with the caller, who may try again.
    init(
        _ files: LocalFiles,
        mode: JournalMode,
        content: LogContent,
        pageSize: PageSize
    ) throws(ApplyError) {
        wal = try files.thread.run { () throws(ApplyError) -> any ReplicaLog in
            if mode == .wal2 { return try ReplicaWAL2(files.held, content: content, pageSize: pageSize) }
            return try ReplicaWAL(
                files.held,
                content: content.newest,
                pageSize: pageSize,
                synchronous: true
            )
        }
        self.files = files
        self.mode = mode
    }

    /// Bytes in use.
    var walBytes: Int64 { wal.walBytes }

    /// The file of which a sync failed, so that it must be written again.
    var unsynchronized: WALFile? { wal.unsynchronized }

    /// Writes it again, through the file below the mount, whose descriptor the mount thread does not have.
    func rewrite(_ file: BackingFile) throws(ApplyError) { try wal.rewrite(file.descriptor) }

    /// Does something with the log, on the mount thread.
    ///
    /// Only files opened by their path may be used in there.
    func run<Result, Failure: Error>(
        _ body: (any ReplicaLog) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let wal = wal
        return try files.thread.run { () throws(Failure) in try body(wal) }
    }

    /// Puts all frames into the database file and has that say another journal mode, if nobody has the database open.
    ///
    /// Nobody can open it before `close`: until then the caller makes the files of the other mode.
    ///
    /// - Returns: whether it was done. If not, or when it throws, everything is as it was.
    func leave(for mode: JournalMode) throws(ApplyError) -> Bool {
        try files.thread.run { () throws(ApplyError) in
            // Nobody waits for this part.
            _ = try wal.checkpoint()
            guard try files.held.isAlone() else { return false }
            do throws(ApplyError) {
                if try wal.copyAll() {
                    try files.held.write(mode)
                    return true
                }
            } catch {
                try? files.held.write(self.mode)
                files.held.share()
                throw error
            }
            files.held.share()
            return false
        }
    }

    /// After `leave`: holds the files that took the place of its own, which it closes.
    ///
    /// When it throws its own stay as they are.
    func holdSuccessors(
        _ name: DatabaseName,
        isWAL2: Bool,
        mount: Int32
    ) throws(ApplyError) -> LocalFiles {
        let successors = try LocalFiles(name, isWAL2: isWAL2, mount: mount, after: files)
        run { $0.close() }
        return successors
    }

    /// Closes the files, gives up the locks, ends the thread.
    func close() {
        run { $0.close() }
        files.close()
    }
}
