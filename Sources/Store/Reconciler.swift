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
            context.ownThreads.withCurrent {
                var pause: Duration?
                var unattended: [DatabaseName: Int] = [:]
                while context.reconcileRequests.wait(pause) {
                    let waiting = databases().filter(\.wantsReconcile)
                    for database in waiting { Self.visit(database, context, &unattended) }
                    pause = waiting.isEmpty ? nil : min((pause ?? Self.shortPause / 2) * 2, Self.longPause)
                }
            }
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
        _ unattended: inout [DatabaseName: Int]
    ) {
        guard let mount = context.mount,
            let file = try? FileDescriptor.open(database.name.text, .readWrite, in: mount)
        else { return }
        switch database.reconcile(asking: file) {
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
            try? file.close()
            if let message = HotJournal.recover(folder + "/" + database.name.text) {
                context.logger.warning(
                    "database \"\(database.name)\": cannot roll back its journal: \(message)"
                )
            }
        }
    }
}

/// A doorbell: whoever finds something in doubt rings it, with or without a database's lock.
///
/// A leaf in the order of locks.
final class ReconcileRequests: Sendable {
    private struct State {
        var isRung = false
        var isStopping = false
    }
    private let state = Guarded(State())

    func ring() {
        state.withLock { $0.pointee.isRung = true }
        state.wakeAll()
    }

    func stop() {
        state.withLock { $0.pointee.isStopping = true }
        state.wakeAll()
    }

    /// Waits for a pause, or, without one, until somebody rings.
    ///
    /// Returns false when stopping.
    func wait(_ pause: Duration?) -> Bool {
        state.withLock { state in
            if let pause {
                let deadline = MonotonicTime.now + pause
                while !state.pointee.isStopping, self.state.wait(until: deadline) {}
            } else {
                while !state.pointee.isRung, !state.pointee.isStopping { self.state.wait() }
            }
            state.pointee.isRung = false
            return !state.pointee.isStopping
        }
    }
}
