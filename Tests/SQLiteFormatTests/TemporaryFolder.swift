import Glibc
import POSIX

/// A folder that goes with the value.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/sqliteformat-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno.last }
        path = template.withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { String(cString: $0) } ?? ""
        }
    }

    deinit {
        try? Files.removeTree(path)
    }

    /// The path of a file in the folder.
    func file(_ name: String) -> String {
        path + "/" + name
    }

    /// The content of a file.
    ///
    /// Closing it drops the locks that a SQLite connection of this process has on it; tests that call this have
    /// one connection at most, or use OFD locks, which stay.
    func bytes(_ name: String) throws -> [UInt8] {
        try Files.read(file(name), limit: 64 << 20)
    }

    /// Writes a file anew.
    func write(_ name: String, _ bytes: [UInt8]) throws {
        try FileDescriptor.open(file(name), [.writeOnly, .create, .truncate]).write(bytes, at: 0)
    }
}
