import Apply
import Logging
import POSIX

/// The thread that keeps the logs of a primary short when programs do not.
///
/// SQLite copies a log back with each 1000 frames, but begins it anew only when all of it was copied; while several programs
/// write without a pause it never is. Without help such a log grows by as much as they write, which costs space, memory
/// for the wal-index, and time when a reader looks for a page.
///
/// Invariant: no program meets a lock that it could not meet in a native folder. Writers are stopped only where two processes have
/// the wal-index open: each of them finds the database busy now and then anyway. Where one process has several connections the
/// log is copied back beside them. A connection that is alone with its log keeps or restarts it as it likes.
final class LogKeeper: Sendable {
    /// A log of more bytes is copied back.
    static let longLog: Int64 = 16 << 20

    private static let shortPause = Duration.milliseconds(20)
    private static let longPause = Duration.seconds(1)

    private let context: StoreContext
    private let thread: Thread

    /// Starts the thread.
    ///
    /// There must be a mount.
    init(_ context: StoreContext, databases: @escaping @Sendable () -> [Database]) {
        self.context = context
        thread = Thread("log-keeper") {
            var pause: Duration?
            var rest = Self.shortPause
            var worker: MountThread?
            while context.longLogs.wait(pause) {
                let waiting = databases().filter(\.hasLongLog)
                if worker == nil, !waiting.isEmpty, let root = context.mount {
                    worker = MountThread("log-keeper-mount", root: root, ownThreads: context.ownThreads)
                }
                var isHeldBack = true
                if let worker, let root = context.mount {
                    for database in waiting where Self.shorten(database, worker, root, context.logger) {
                        isHeldBack = false
                    }
                }
                rest = isHeldBack && !waiting.isEmpty ? min(rest * 2, Self.longPause) : Self.shortPause
                pause = waiting.isEmpty ? nil : rest
            }
            worker?.stop()
        }
    }

    /// Ends the thread.
    func stop() {
        context.longLogs.stop()
        thread.join()
    }

    /// Copies a log back, so that it begins anew.
    ///
    /// - Returns: false when somebody was in the way.
    private static func shorten(
        _ database: Database,
        _ worker: MountThread,
        _ root: Int32,
        _ logger: Logger
    ) -> Bool {
        let users = database.logUsers
        guard users.isShared else { return false }
        do throws(ApplyError) {
            let result = try worker.run { () throws(ApplyError) in
                let restart = try LogRestart(name: database.name.text, directory: root)
                defer { restart.close() }
                return try restart.run(stopsWriters: users.areProcesses)
            }
            logger.debug(
                "database \"\(database.name)\": its log of \(result.frames) frames was copied back up to frame \(result.backfilled)"
                    + (result.obstacle.map { ", because of \($0)" } ?? "")
            )
            guard result.isComplete, result.obstacle == nil else { return false }
            database.logIsCopied()
            return true
        } catch {
            // The programs' own checkpoints meet the same error, and say so.
            logger.debug(
                "database \"\(database.name)\": its log cannot be copied back, will try again: \(error)"
            )
            return false
        }
    }
}

extension Database {
    /// Whether the log is long.
    fileprivate var hasLongLog: Bool {
        locked {
            if isLogLong, logs[.wal].capturedBytes <= LogKeeper.longLog || isClosing { isLogLong = false }
            return isLogLong
        }
    }

    /// All of the log was copied back: it is long again when something is added to it.
    fileprivate func logIsCopied() {
        counters.logRestarts.increment()
        locked { isLogLong = false }
    }

    /// Whether several connections have the log open, and whether they are of several processes.
    ///
    /// Each connection opens the log, but a process opens the wal-index once for all of its connections.
    fileprivate var logUsers: (isShared: Bool, areProcesses: Bool) {
        locked { (files.wal?.isShared == true, files.shm?.isShared == true) }
    }
}
