import POSIX

/// A folder that goes with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = "/tmp/replication-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectories(path)
    }

    deinit {
        try? Files.removeTree(path)
    }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        try Files.replace(path + "/" + name, with: bytes)
    }
}
