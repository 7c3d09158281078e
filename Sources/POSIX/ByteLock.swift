import CShims
import Glibc

/// Locks on byte ranges that belong to an open file description (`F_OFD_SETLK`): they conflict with the POSIX locks that
/// SQLite takes, and, unlike those, do not vanish when some other descriptor of the same file is closed.
extension FileDescriptor {
    /// Kind of a byte range lock.
    public enum ByteLock: Sendable {
        /// Others may share it.
        case shared
        /// Nobody else may hold any.
        case exclusive
    }

    /// Takes a lock, or throws `EAGAIN` when somebody else holds one in its way.
    public func tryLock(_ lock: ByteLock, start: Int64, length: Int64) throws(Errno) {
        try setLock(lock == .shared ? F_RDLCK : F_WRLCK, start: start, length: length)
    }

    /// Gives up locks of this descriptor in a range.
    public func unlock(start: Int64, length: Int64) throws(Errno) {
        try setLock(F_UNLCK, start: start, length: length)
    }

    /// Takes the file or folder as a whole, by flock(2), until the descriptor is closed, or throws `EAGAIN` when somebody else
    /// has it.
    ///
    /// Has nothing to do with byte ranges.
    public func tryLockFile() throws(Errno) {
        _ = try retrying { Int(flock(rawValue, LOCK_EX | LOCK_NB)) }
    }

    /// Whether `lock` could be taken now.
    ///
    /// Never waits and takes nothing.
    public func couldLock(_ lock: ByteLock, start: Int64, length: Int64) throws(Errno) -> Bool {
        var range = flock()
        range.l_type = Int16(lock == .shared ? F_RDLCK : F_WRLCK)
        range.l_whence = Int16(SEEK_SET)
        range.l_start = off_t(start)
        range.l_len = off_t(length)
        _ = try retrying { Int(cshims_ofd_get_lock(rawValue, &range)) }
        return range.l_type == Int16(F_UNLCK)
    }

    private func setLock(_ type: Int32, start: Int64, length: Int64) throws(Errno) {
        var range = flock()
        range.l_type = Int16(type)
        range.l_whence = Int16(SEEK_SET)
        range.l_start = off_t(start)
        range.l_len = off_t(length)
        do throws(Errno) {
            _ = try retrying { Int(cshims_ofd_set_lock(rawValue, &range)) }
        } catch .accessDenied {
            throw .wouldBlock
        }
    }
}
