import LTX
import POSIX
import Store
import Synchronization

/// The lag of a replica: what its stream hears, and what its databases have applied.
///
/// Usable from any thread.
final class LagTracker: Sendable {
    private let clock = Mutex(LagClock())
    private let target: any StreamTarget

    init(target: any StreamTarget) {
        self.target = target
    }

    func update(_ body: (inout LagClock) -> Void) {
        clock.withLock { body(&$0) }
    }

    /// A clock that knows what is applied now.
    func current() -> LagClock {
        let names = Set(clock.withLock { $0.pendingNames })
        guard !names.isEmpty else { return clock.withLock { $0 } }
        // Asked without the clock's lock, because it takes the databases' locks.
        let applied = target.receivingDatabases.filter { names.contains($0.name) }
            .map { ($0.name, $0.appliedPosition.txid) }
        return clock.withLock { clock in
            for (name, txid) in applied { clock.applied(name, through: txid) }
            return clock
        }
    }
}
