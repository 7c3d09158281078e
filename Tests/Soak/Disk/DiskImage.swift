import Glibc
import Harness
import POSIX

/// A small ext4 file system in a file, mounted through a loop device.
final class DiskImage {
    private let path: String
    private let file: String

    /// Makes one; nil where the machine has no loop devices or no mkfs.
    init?(_ path: String, megabytes: Int) throws {
        self.path = path
        file = path + ".img"
        let folder = path + ".tmp"
        try Files.makeDirectories(folder)
        try Files.makeDirectories(path)
        defer { try? Files.removeTree(folder) }
        try FileDescriptor.open(file, [.readWrite, .create]).truncate(to: Int64(megabytes) << 20)
        let commands = [
            ["mkfs.ext4", "-q", "-F", "-m", "0", file], ["mount", "-o", "loop", file, path],
        ]
        for command in commands {
            guard let outcome = try? Outcome.of(command, in: folder), outcome.exit == .code(0) else {
                return nil
            }
        }
    }

    /// Takes it away.
    func remove() {
        umount2(path, Int32(MNT_DETACH))
        try? Files.unlink(file, ifExists: true)
    }
}
