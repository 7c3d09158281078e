import Glibc
import POSIX
import Synchronization

/// A fresh folder that goes at the end, with everything that is mounted or runs in it.
package final class TestFolder: Sendable {
    /// The absolute path, without links.
    package let path: String

    private static let prefix = "/tmp/litefs-e2e-"

    package init() throws {
        Self.removeOrphans
        var template = Array((Self.prefix + "\(getpid())-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno.last }
        let made = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        path = try Files.realPath(made)
    }

    deinit {
        guard getenv("LITEFS_TEST_KEEP") == nil else { return }
        Self.clear(path)
    }

    /// What still runs or is mounted in the folder.
    package var leftovers: [String] {
        Self.mounts(below: path).map { "mount \($0)" }
            + Self.processes(with: path).map { "process \($0.pid): \($0.commandLine)" }
    }

    /// Ends and removes everything in a folder, and the folder.
    private static func clear(_ path: String) {
        for process in processes(with: path) { _ = kill(process.pid, SIGKILL) }
        for mount in mounts(below: path) { _ = umount2(mount, Int32(MNT_DETACH)) }
        makeRemovable(path)
        try? Files.removeTree(path)
    }

    /// Logs that a daemon took from a program are immutable.
    private static func makeRemovable(_ folder: String) {
        for entry in (try? Files.list(folder)) ?? [] {
            let path = folder + "/" + entry.name
            if entry.isDirectory {
                makeRemovable(path)
            } else if entry.name.hasPrefix("wal.old-") {
                try? FileDescriptor.open(path, .readOnly).setImmutable(false)
            }
        }
    }

    /// Removes what killed runs of these tests left behind, once.
    private static let removeOrphans: Void = {
        for entry in (try? Files.list("/tmp")) ?? [] where ("/tmp/" + entry.name).hasPrefix(prefix) {
            let owner = entry.name.dropFirst(prefix.count - 5).prefix { $0 != "-" }
            guard let pid = Int32(owner), pid != getpid(), kill(pid, 0) != 0 else { continue }
            clear("/tmp/" + entry.name)
        }
    }()

    /// Where something is mounted at or below a path, newest first.
    package static func mounts(below path: String) -> [String] {
        text(of: "/proc/self/mountinfo").split(separator: "\n")
            .compactMap { line in
                let fields = line.split(separator: " ")
                guard fields.count > 4, fields[4] == path || fields[4].hasPrefix(path + "/") else {
                    return nil
                }
                return String(fields[4])
            }
            .reversed()
    }

    /// The processes, this one aside, in whose command line a text occurs; those that ended and wait to be reaped have none.
    private static func processes(with part: String) -> [(pid: Int32, commandLine: String)] {
        ((try? Files.list("/proc")) ?? [])
            .compactMap { entry in
                guard let pid = Int32(entry.name), pid != getpid() else { return nil }
                let words = text(of: "/proc/\(pid)/cmdline").split(separator: "\0")
                let line = words.joined(separator: " ")
                return line.contains(part) ? (pid, line) : nil
            }
    }
}

/// A port of the loopback interface that nobody listened on a moment ago, and that this process was not given before.
///
/// The kernel may give the same one twice, and a primary and its replica must not have the same.
package func freePort() throws -> UInt16 {
    guard let address = SocketAddress.resolve(host: "127.0.0.1", port: 0).first else { throw Errno.noDevice }
    while true {
        let port = try Socket.listen(on: address, backlog: 1).localAddress().port
        let isNew = givenPorts.withLock { given in
            if given.count > 4096 { given.removeAll() }
            return given.insert(port).inserted
        }
        if isNew { return port }
    }
}

private let givenPorts = Mutex<Set<UInt16>>([])
