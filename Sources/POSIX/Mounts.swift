import CShims
import Glibc

/// A file system that is mounted somewhere.
public struct MountPoint: Equatable, Sendable {
    /// The kernel's number of this mount.
    public let id: UInt64
    /// The folder it is mounted at, absolute, as this process sees it.
    public let path: String
    /// The type with its subtype, for example `ext4` or `fuse.litefs`.
    public let fileSystemType: String
    /// What was mounted, for example a device; any text for file systems without one.
    public let source: String
}

/// What is mounted, and its removal.
public enum Mounts {
    /// Everything that is mounted in this process's mount namespace, oldest first where several lie on one folder.
    public static func list() throws(Errno) -> [MountPoint] {
        parse(try Files.read("/proc/self/mountinfo"))
    }

    /// Reads the lines of `/proc/PID/mountinfo` (proc(5)); lines of another form are left out.
    public static func parse(_ text: [UInt8]) -> [MountPoint] {
        text.split(separator: UInt8(ascii: "\n")).compactMap(parseLine)
    }

    /// Takes the topmost file system off a folder; a symbolic link is not followed.
    ///
    /// With `lazily` it vanishes from the folder at once and ends when its last user is gone; without, a file system in
    /// use throws `EBUSY`.
    public static func unmount(_ path: String, lazily: Bool = false) throws(Errno) {
        _ = try retrying { Int(cshims_unmount(path, lazily ? 1 : 0)) }
    }

    /// A line is `ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [TAG…] - TYPE SOURCE SUPEROPTIONS`.
    private static func parseLine(_ line: ArraySlice<UInt8>) -> MountPoint? {
        let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        guard fields.count >= 7,
            let separator = fields.indices.dropFirst(6).first(where: { fields[$0].elementsEqual("-".utf8) }),
            separator + 2 < fields.count,
            let id = UInt64(String(decoding: fields[0], as: UTF8.self))
        else { return nil }
        return MountPoint(
            id: id,
            path: unescaped(fields[4]),
            fileSystemType: unescaped(fields[separator + 1]),
            source: unescaped(fields[separator + 2])
        )
    }

    /// Undoes the octal escapes by which the kernel writes blanks, tabs, line feeds and backslashes.
    private static func unescaped(_ field: ArraySlice<UInt8>) -> String {
        var bytes: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, digits.allSatisfy({ $0 & 0xF8 == 0x30 }) {
                bytes.append(digits.reduce(0) { $0 << 3 | ($1 & 7) })
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
