import FUSE
import Glibc
import POSIX

/// Owner and permission bits of files on the mount.
///
/// A file belongs to who made it, and the kernel checks its permission bits on a primary. A database's files may be read and
/// written by everybody, as with LiteFS, whatever the umask of the program that made them, until somebody chooses otherwise with
/// chmod(2). The backing file's sticky bit, which has no meaning for a file and is never shown, marks that its bits were chosen.
enum FilePermissions {
    private static let chosen = UInt32(S_ISVTX)
    private static let everybody: UInt32 = 0o666

    /// Bits of a database's file, from the mode of its backing file.
    static func ofDatabase(backing mode: UInt32) -> UInt32 {
        mode & chosen == 0 ? everybody : mode & 0o777
    }

    /// Bits of a file that stays on this node, from the mode of its backing file.
    static func ofLocalFile(backing mode: UInt32) -> UInt32 { mode & 0o7777 & ~chosen }

    /// Gives a new file to who made it.
    ///
    /// A daemon that is not root cannot; then the file stays the daemon's.
    static func give(_ file: borrowing FileDescriptor, to caller: Caller) {
        guard caller.userID != getuid() || caller.groupID != getgid() else { return }
        try? file.setOwner(user: caller.userID, group: caller.groupID)
    }

    /// Gives a database's new file the bits that were chosen for the database, if they were.
    static func inherit(
        _ file: borrowing FileDescriptor,
        from database: borrowing FileDescriptor
    ) throws(Errno) {
        let mode = try database.status().mode
        if mode & chosen != 0 { try file.setMode(mode & 0o777 | chosen) }
    }

    /// Gives a file the owner and the bits of another one, as far as the daemon can.
    static func copy(_ source: borrowing FileDescriptor, to file: borrowing FileDescriptor) {
        guard let status = try? source.status().raw else { return }
        try? file.setOwner(user: status.st_uid, group: status.st_gid)
        try? file.setMode(status.st_mode & 0o7777)
    }

    /// Changes as they are made to a backing file.
    static func onBackingFile(_ changes: AttributeChanges) -> AttributeChanges {
        var changes = changes
        if let mode = changes.mode { changes.mode = mode & 0o777 | chosen }
        return changes
    }
}
