import Apply
import POSIX
import SQLiteFormat

/// A replica's write-ahead log, used through the own mount on a thread that can be killed at any time (`MountThread`).
final class LocalLog: @unchecked Sendable {
    // SAFETY: `wal` is touched by the mount thread, except for numbers that it holds in memory, which the one caller asks for
    // while the mount thread waits for work.
    private let wal: ReplicaWAL
    private let thread: MountThread

    /// Opens the files of a database on the mount and takes the locks that keep them in place.
    init(
        _ name: DatabaseName,
        mount: Int32,
        content: WALContent,
        pageSize: PageSize,
        ownThreads: OwnThreads
    ) throws(ApplyError) {
        let thread = MountThread("mount-\(name)", root: mount, ownThreads: ownThreads)
        do throws(ApplyError) {
            wal = try thread.run { () throws(ApplyError) in
                try ReplicaWAL(
                    name: name.text,
                    directory: mount,
                    content: content,
                    pageSize: pageSize,
                    synchronous: true
                )
            }
        } catch {
            thread.stop()
            throw error
        }
        self.thread = thread
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
        return try thread.run { () throws(Failure) in try body(wal) }
    }

    /// Closes the files, gives up the locks, ends the thread.
    func close() {
        run { $0.close() }
        thread.stop()
    }
}
