import Testing

@testable import POSIX

@Suite struct MountsTests {
    private let recorded = """
        22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw,discard
        23 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
        41 22 0:36 / /litefs rw,nosuid,nodev,relatime - fuse.litefs litefs rw,user_id=0,group_id=0
        42 22 0:37 / /mnt/with\\040blank\\011tab\\012line\\134back rw master:1 propagate_from:2 - fuse.sshfs a\\040b rw
        43 22 0:38 / /mnt/\\0409 rw - tmpfs none rw
        44 41 0:39 / /litefs rw shared:9 - overlay overlay rw,lowerdir=/a:/b
        """

    private func parse(_ text: String) -> [MountPoint] { Mounts.parse(Array(text.utf8)) }

    @Test func eachLineIsAMount() {
        let mounts = parse(recorded)
        #expect(mounts.map(\.id) == [22, 23, 41, 42, 43, 44])
        #expect(mounts[0] == MountPoint(id: 22, path: "/", fileSystemType: "ext4", source: "/dev/root"))
        #expect(
            mounts[2] == MountPoint(id: 41, path: "/litefs", fileSystemType: "fuse.litefs", source: "litefs")
        )
        #expect(mounts.map(\.path).filter { $0 == "/litefs" }.count == 2)
    }

    @Test func octalEscapesAreUndone() {
        let mounts = parse(recorded)
        #expect(mounts[3].path == "/mnt/with blank\ttab\nline\\back")
        #expect(mounts[3].source == "a b")
        #expect(mounts[4].path == "/mnt/ 9")
    }

    @Test(arguments: [
        "", "\n\n", "22", "22 1 8:1 / /", "x 1 8:1 / / rw - ext4 dev rw", "22 1 8:1 / / rw shared:1 - ext4",
        "22 1 8:1 / / rw shared:1 ext4 dev rw", "22 1 8:1 / / - ext4 dev rw",
    ])
    func aLineOfAnotherFormIsLeftOut(line: String) {
        #expect(parse(line).isEmpty)
    }

    @Test(arguments: [
        ("\\04", "\\04"), ("\\", "\\"), ("\\089", "\\089"), ("a\\040", "a "), ("\\xyz", "\\xyz"),
    ])
    func anEscapeThatIsNoneStandsForItself(written: String, path: String) {
        #expect(parse("1 1 0:1 / \(written) rw - tmpfs none rw").map(\.path) == [path])
    }

    @Test func theKernelsListCanBeRead() throws {
        let mounts = try Mounts.list()
        #expect(mounts.contains { $0.path == "/proc" && $0.fileSystemType == "proc" })
    }

    @Test func whatIsNotMountedCannotBeUnmounted() {
        #expect(throws: Errno.self) { try Mounts.unmount("/nonexistent/folder") }
    }
}
