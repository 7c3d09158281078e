import Glibc
import POSIX
import Synchronization

/// Holds requests back by which a program opens a file, until the daemon holds its own locks on the mount.
///
/// A program with a newly opened wal-index that finds nobody's lock on it begins it anew (SQLite's dead-man switch). While one daemon's
/// locks are gone and the next one's are not there yet, nobody may get so far; everything else is answered, because the threads
/// of the old daemon may have to end before their locks are free.
final class Gate: Sendable {
    private struct State {
        var isClosed: Bool
        var requests: [[UInt8]] = []
    }
    private let state: Mutex<State>
    private let isClosed: Atomic<Bool>
    private let isOwn: @Sendable (Int32) -> Bool

    /// A gate, closed or not; threads that `isOwn` knows pass.
    init(isClosed: Bool, isOwn: @escaping @Sendable (Int32) -> Bool) {
        state = Mutex(State(isClosed: isClosed))
        self.isClosed = Atomic(isClosed)
        self.isOwn = isOwn
    }

    /// What becomes of a request.
    enum Verdict {
        /// It is carried out.
        case passes
        /// It waits.
        case waits
        /// It is answered with EINTR, so that it comes again.
        case comesAgain
    }

    /// Judges a request, and takes it when it waits.
    ///
    /// The kernel keeps everybody from the folder's names while a file is made there (CREATE), also the daemon, which looks for the files that it is to
    /// lock: such a request must not wait. SQLite, like most, tries an open(2) again that was interrupted. One that may have been carried out
    /// already passes: its file is there, and has to be found.
    func judge(_ request: UnsafeRawBufferPointer) -> Verdict {
        guard isClosed.load(ordering: .relaxed) else { return .passes }
        // struct fuse_in_header: length, opcode, unique, nodeid, uid, gid, pid. FUSE_OPEN and FUSE_CREATE.
        let operation = request.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
        guard operation == 14 || operation == 35,
            !isOwn(request.loadUnaligned(fromByteOffset: 32, as: Int32.self))
        else { return .passes }
        let isRepeated = request.loadUnaligned(fromByteOffset: 8, as: UInt64.self) >> 63 == 1
        return state.withLock { state in
            guard state.isClosed else { return .passes }
            if operation == 35 { return isRepeated ? .passes : .comesAgain }
            state.requests.append(Array(request))
            return .waits
        }
    }

    /// Opens the gate and hands out what waited.
    func open() -> [[UInt8]] {
        state.withLock { state in
            state.isClosed = false
            isClosed.store(false, ordering: .relaxed)
            defer { state.requests = [] }
            return state.requests
        }
    }
}
