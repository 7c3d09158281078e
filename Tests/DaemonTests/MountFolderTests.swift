import Config
import Lease
import Logging
import POSIX
import Synchronization
import Testing

@testable import Daemon
@testable import FUSE

/// Which mounts at `fuse.dir` may go, by lists of mounts as the kernel writes them.
@Suite struct MountFolderJudgementTests {
    private let mounts = Mounts.parse(
        Array(
            """
            22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
            30 22 0:30 / /data rw - ext4 /dev/sdb rw
            41 22 0:36 / /litefs rw,nosuid,nodev - fuse.litefs litefs rw,user_id=0,group_id=0
            42 22 0:37 / /over rw - fuse.litefs litefs rw
            43 42 0:38 / /over rw - tmpfs tmpfs rw
            44 22 0:39 / /with\\040blank rw - fuse.litefs litefs rw
            """
            .utf8
        )
    )

    private func judge(_ path: String, isDead: Bool) -> MountFolder.Finding {
        MountFolder.judge(mounts, at: path, isDead: { isDead })
    }

    @Test func aFolderThatIsNoMountPointIsFree() {
        #expect(judge("/litefs/sub", isDead: true) == .free)
        #expect(judge("/lite", isDead: true) == .free)
    }

    @Test func onlyALitefsIsAskedWhetherItLives() {
        #expect(judge("/litefs", isDead: true) == .dead)
        #expect(judge("/litefs", isDead: false) == .live)
        #expect(judge("/with blank", isDead: true) == .dead)
        #expect(judge("/data", isDead: true) == .other(type: "ext4"))
    }

    @Test func theTopmostMountCounts() {
        #expect(judge("/over", isDead: true) == .other(type: "tmpfs"))
    }
}

/// The same with real mounts.
@Suite(.enabled(if: CanMount.fuse, "needs root and /dev/fuse"))
struct MountFolderTests {
    /// Log lines.
    private final class Log: Sendable {
        private let bytes = Mutex<[UInt8]>([])
        var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
        var logger: Logger {
            Logger(sink: { line in self.bytes.withLock { $0.append(contentsOf: line) } })
        }
    }

    private let log = Log()

    private func mounts(at path: String) throws -> Int { try Mounts.list().filter { $0.path == path }.count }

    private func node(_ folder: TemporaryFolder) -> Node {
        var config = Config()
        config.fuse.dir = folder.path + "/mount"
        return Node(config: config, keepsMounts: false, logger: log.logger)
    }

    /// Mounts a file system whose daemon goes away at once.
    private func leaveDeadMount(at path: String) throws {
        let device = try FileDescriptor.open("/dev/fuse", .readWrite)
        try DetachedMount(device: device, allowOther: false).attach(at: path)
        try device.close()
    }

    @Test func aMissingFolderIsMade() throws {
        let folder = try TemporaryFolder()
        try MountFolder.prepare(folder.path + "/a/b", keepsMounts: false, logger: log.logger)
        #expect(try Files.status(folder.path + "/a/b").isDirectory)
        #expect(log.text.isEmpty)
    }

    @Test func aFileInItsPlaceIsNamed() throws {
        let folder = try TemporaryFolder()
        try folder.write("file", "")
        let path = folder.path + "/file"
        #expect(throws: MountFolderError.cannotMake(path: path, .notDirectory)) {
            try MountFolder.prepare(path, keepsMounts: false, logger: log.logger)
        }
    }

    @Test func deadMountsAreRemovedAlsoThroughALink() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/mount"
        try Files.makeDirectory(path)
        try leaveDeadMount(at: path)
        #expect(throws: Errno.notConnected) { _ = try Files.fileSystem(path) }
        try leaveDeadMount(at: path)
        try MountFolder.prepare(folder.path + "/./mount/", keepsMounts: false, logger: log.logger)
        #expect(try mounts(at: path) == 0)
        #expect(log.text.split(separator: "\n").count == 2)
        #expect(log.text.contains("removed the mount at \(path) that an earlier run left behind"))
    }

    @Test func aDeadMountStaysWhenAskedFor() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/mount"
        try Files.makeDirectory(path)
        try leaveDeadMount(at: path)
        defer { try? Mounts.unmount(path, lazily: true) }
        try MountFolder.prepare(path, keepsMounts: true, logger: log.logger)
        #expect(try mounts(at: path) == 1)
    }

    @Test func aMountComesAndGoesWithItsParts() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/mount"
        let parts = Parts(stopRequest: try StopRequest())
        let node = node(folder)
        try node.prepareMountFolder(parts)
        let wasSetUp = Mutex(false)
        let isTornDown = Mutex(false)
        _ = try node.mount(
            TinyFileSystem(),
            NodeLease(static: StaticLease(candidate: true, hostname: "", advertiseURL: "")),
            memory: SessionMemory(description: "a test"),
            inherited: nil,
            isOwn: { _ in false },
            setUp: { session in
                let found = try Files.status(TinyFileSystem.name, in: session.root)
                wasSetUp.withLock { $0 = found.inode == 2 }
                #expect(!Files.exists(path + "/" + TinyFileSystem.name))
            },
            tearDown: { _ in isTornDown.withLock { $0 = true } },
            parts
        )
        #expect(wasSetUp.withLock { $0 })
        #expect(try Files.list(path).map(\.name) == [TinyFileSystem.name])
        #expect(log.text.contains("LiteFS mounted to: \(path)"))

        #expect(throws: MountFolderError.live(path: path)) {
            try MountFolder.prepare(path, keepsMounts: false, logger: log.logger)
        }
        #expect(parts.stopAll().isEmpty)
        #expect(isTornDown.withLock { $0 })
        #expect(try mounts(at: path) == 0)
    }

    @Test func aMountInUseIsDetachedAndSaysSo() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/mount"
        let parts = Parts(stopRequest: try StopRequest())
        let node = node(folder)
        try node.prepareMountFolder(parts)
        _ = try node.mount(
            TinyFileSystem(),
            NodeLease(static: StaticLease(candidate: true, hostname: "", advertiseURL: "")),
            memory: SessionMemory(description: "a test"),
            inherited: nil,
            isOwn: { _ in false },
            setUp: { _ in },
            tearDown: { _ in },
            parts
        )
        // The first close teaches the kernel that FLUSH is not wanted. Else a program that is being started beside this test
        // sends one for its copy of the descriptor below, and waits for an answer while its copy of the device stays open.
        try FileDescriptor.open(path + "/" + TinyFileSystem.name, .readOnly).close()
        let file = try FileDescriptor.open(path + "/" + TinyFileSystem.name, .readOnly)
        #expect(parts.stopAll().isEmpty)
        #expect(try mounts(at: path) == 0)
        #expect(log.text.contains("files on \(path) are still open"))
        try? file.close()
    }

    @Test func anotherFileSystemStays() throws {
        let folder = try TemporaryFolder()
        let mount = try ChildProcess(["mount", "-t", "tmpfs", "none", folder.path])
        try #require(mount.waitForExit() == .code(0))
        defer { try? Mounts.unmount(folder.path) }
        #expect(throws: MountFolderError.occupied(path: folder.path, type: "tmpfs")) {
            try MountFolder.prepare(folder.path, keepsMounts: false, logger: log.logger)
        }
        #expect(try mounts(at: folder.path) == 1)
    }
}

/// Whether this machine lets a test mount.
enum CanMount {
    static let fuse: Bool = {
        guard let device = try? FileDescriptor.open("/dev/fuse", .readWrite) else { return false }
        return (try? DetachedMount(device: device, allowOther: false)) != nil
    }()
}
