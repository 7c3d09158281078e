import Glibc
import POSIX

/// A small file system in memory.
package final class SmallDisk {
    private let path: String

    package init(_ path: String, megabytes: Int) throws {
        self.path = path
        try Files.makeDirectories(path)
        guard mount("tmpfs", path, "tmpfs", 0, "size=\(megabytes)m") == 0 else { throw Errno.last }
    }

    /// Takes all space but some.
    package func fill(leaving bytes: Int) throws {
        let space = try Files.fileSystem(path)
        let free = Int(space.f_bavail) * Int(space.f_frsize)
        let file = try FileDescriptor.open(path + "/ballast", [.writeOnly, .create])
        let result = posix_fallocate(file.rawValue, 0, off_t(max(1, free - bytes)))
        guard result == 0 else { throw Errno(rawValue: result) }
    }

    /// Gives the space back.
    package func empty() throws {
        try Files.unlink(path + "/ballast")
    }

    package func remove() {
        umount2(path, Int32(MNT_DETACH))
    }
}
