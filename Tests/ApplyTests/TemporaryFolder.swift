import Glibc
import POSIX

/// A folder that goes with the value.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/apply-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { buffer in
            buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
        }
        guard let made else { throw Errno.last }
        path = made
    }

    deinit {
        try? Files.removeTree(path)
    }

    /// The path of a file in the folder.
    func file(_ name: String) -> String {
        path + "/" + name
    }

    /// The content of a text file.
    func text(_ name: String) throws -> String {
        String(decoding: try Files.read(file(name), limit: 256 << 20), as: UTF8.self)
    }

    /// Writes a file anew.
    func write(_ name: String, _ bytes: [UInt8]) throws {
        try FileDescriptor.open(file(name), [.writeOnly, .create, .truncate]).write(bytes, at: 0)
    }
}
