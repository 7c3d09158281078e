import Apply
import POSIX
import SQLiteFormat

/// A replica's files, held in place through the own mount, on a thread that can be killed at any time (`MountThread`).
final class LocalFiles: @unchecked Sendable {
    // SAFETY: `held` is touched by the mount thread alone.
    fileprivate let held: HeldFiles
    fileprivate let thread: MountThread

    /// Opens the files of a database on the mount and takes the locks that keep them in place.
    init(_ name: DatabaseName, mount: Int32, ownThreads: OwnThreads) throws(ApplyError) {
        let thread = MountThread("mount-\(name)", root: mount, ownThreads: ownThreads)
        do throws(ApplyError) {
            held = try thread.run { () throws(ApplyError) in try HeldFiles(name: name.text, directory: mount)
            }
        } catch {
            thread.stop()
            throw error
        }
        self.thread = thread
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
    private let wal: ReplicaWAL
    private let files: LocalFiles

    /// Goes on with the log of files that are held.
    ///
    /// When it throws they stay with the caller, who may try again.
    init(_ files: LocalFiles, content: WALContent, pageSize: PageSize) throws(ApplyError) {
        wal = try files.thread.run { () throws(ApplyError) in
            try ReplicaWAL(files.held, content: content, pageSize: pageSize, synchronous: true)
        }
        self.files = files
    }

    /// Bytes in use.
    var walBytes: Int64 { wal.walBytes }

    /// Whether a sync of it failed, so that it must be written again.
    var mustBeRewritten: Bool { wal.mustBeRewritten }

    /// Writes it again, through the file below the mount, whose descriptor the mount thread does not have.
    func rewrite(_ file: BackingFile) throws(ApplyError) { try wal.rewrite(file.descriptor) }

    /// Does something with the log, on the mount thread.
    ///
    /// Only files opened by their path may be used in there.
    func run<Result, Failure: Error>(_ body: (ReplicaWAL) throws(Failure) -> Result) throws(Failure) -> Result
    {
        let wal = wal
        return try files.thread.run { () throws(Failure) in try body(wal) }
    }

    /// Closes the files, gives up the locks, ends the thread.
    func close() {
        run { $0.close() }
        files.close()
    }
}
