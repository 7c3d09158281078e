import Synchronization

/// Counts requests by kernel operation code, without a lock.
public final class RequestCounters: Sendable {
    private let counts: [Counter]

    private final class Counter: Sendable {
        let value = Atomic<UInt64>(0)
    }

    /// Names of the operations by code (`enum fuse_opcode` of the kernel's FUSE interface).
    private static let names: [Int: String] = [
        1: "lookup", 2: "forget", 3: "getattr", 4: "setattr", 5: "readlink", 6: "symlink", 8: "mknod",
        9: "mkdir",
        10: "unlink", 11: "rmdir", 12: "rename", 13: "link", 14: "open", 15: "read", 16: "write",
        17: "statfs",
        18: "release", 20: "fsync", 21: "setxattr", 22: "getxattr", 23: "listxattr", 24: "removexattr",
        25: "flush",
        26: "init", 27: "opendir", 28: "readdir", 29: "releasedir", 30: "fsyncdir", 31: "getlk", 32: "setlk",
        33: "setlkw", 34: "access", 35: "create", 36: "interrupt", 37: "bmap", 38: "destroy", 39: "ioctl",
        40: "poll", 41: "notify_reply", 42: "batch_forget", 43: "fallocate", 44: "readdirplus", 45: "rename2",
        46: "lseek", 47: "copy_file_range", 52: "statx",
    ]

    init() {
        counts = (0..<64).map { _ in Counter() }
    }

    func count(_ operation: UInt32) {
        counts[Int(min(operation, 63))].value.wrappingAdd(1, ordering: .relaxed)
    }

    /// Requests so far, by the operation's name; operations that never came are left out.
    public var all: [(operation: String, count: UInt64)] {
        counts.indices.compactMap { code in
            let count = counts[code].value.load(ordering: .relaxed)
            return count > 0 ? (Self.names[code] ?? "code_\(code)", count) : nil
        }
    }
}
