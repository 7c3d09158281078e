import Logging
import POSIX
import SQLiteFormat

/// The thread that waits for quiet moments: it visits databases with something in doubt until nothing is.
///
/// It never takes a lock that a program could find taken; it asks (`F_OFD_GETLK`) through a descriptor on the own mount, and
/// asks again after a pause that grows from 1 ms to 100 ms while a program is busy.
final class Reconciler: Sendable {
    private let context: StoreContext
    private let thread: Thread

    private static let shortPause = Duration.milliseconds(1)
    private static let longPause = Duration.milliseconds(100)
    /// A hot journal is rolled back after so many visits that found nobody at work.
    private static let patience = 3

    /// Starts the thread.
    ///
    /// There must be a mount.
    init(_ context: StoreContext, databases: @escaping @Sendable () -> [Database]) {
        self.context = context
        thread = Thread("reconcile") {
            var pause: Duration?
            var unattended: [DatabaseName: Int] = [:]
            var probe: LockProbe?
            while context.reconcileRequests.wait(pause) {
                let waiting = databases().filter(\.wantsReconcile)
                if probe == nil, !waiting.isEmpty, let root = context.mount {
                    probe = LockProbe(root: root, ownThreads: context.ownThreads)
                }
                if let probe {
                    for database in waiting { Self.visit(database, context, probe, &unattended) }
                }
                pause = waiting.isEmpty ? nil : min((pause ?? Self.shortPause / 2) * 2, Self.longPause)
            }
            probe?.close()
        }
    }

    /// Ends the thread.
    func stop() {
        context.reconcileRequests.stop()
        thread.join()
    }

    private static func visit(
        _ database: Database,
        _ context: StoreContext,
        _ probe: LockProbe,
        _ unattended: inout [DatabaseName: Int]
    ) {
        let isOpen = probe.open(database.name)
        defer { probe.closeFile() }
        switch isOpen ? database.reconcile(asking: probe) : database.reconcileHidden() {
        case .clean, .busy:
            unattended[database.name] = nil
        case .failed(let error):
            context.logger.debug(
                "database \"\(database.name)\": cannot compare pages, will try again: \(error)"
            )
        case .hotJournal:
            let visits = unattended[database.name, default: 0] + 1
            unattended[database.name] = visits
            guard visits >= patience, let folder = context.mountPath else { return }
            unattended[database.name] = nil
            if let message = probe.recover(folder + "/" + database.name.text) {
                context.logger.warning(
                    "database \"\(database.name)\": cannot roll back its journal: \(message)"
                )
            }
        }
    }
}

/// Asks the kernel who holds locks on a database file, through the own mount.
final class LockProbe: @unchecked Sendable {
    // SAFETY: `file` is touched on the mount thread only.
    private let thread: MountThread
    private let root: Int32
    private var file: FileDescriptor?

    init(root: Int32, ownThreads: OwnThreads) {
        self.root = root
        thread = MountThread("reconcile-mount", root: root, ownThreads: ownThreads)
    }

    /// Opens a database file; false when the mount does not show it.
    func open(_ name: DatabaseName) -> Bool {
        thread.run {
            guard let opened = try? FileDescriptor.open(name.text, .readWrite, in: root) else { return false }
            file = consume opened
            return true
        }
    }

    func closeFile() { thread.run { file = nil } }

    /// Whether a program may be writing to the database file: it holds the EXCLUSIVE lock.
    ///
    /// Only asks, and does no I/O: may be called with a database's lock held.
    var isExclusive: Bool {
        !isFree(.shared, start: LockBytes.shared, length: LockBytes.sharedCount)
    }

    /// Whether a program is in a write transaction: it holds the RESERVED lock.
    var isReserved: Bool { !isFree(.exclusive, start: LockBytes.reserved, length: 1) }

    private func isFree(_ lock: FileDescriptor.ByteLock, start: Int64, length: Int64) -> Bool {
        thread.run {
            guard let answer = try? file?.couldLock(lock, start: start, length: length) else { return false }
            return answer
        }
    }

    /// Lets SQLite roll back a journal.
    ///
    /// Returns its message when it cannot.
    func recover(_ path: String) -> String? {
        thread.run {
            file = nil
            return HotJournal.recover(path)
        }
    }

    func close() { thread.stop() }
}
