import CShims
import Glibc

/// Operations on paths, relative to the folder `directory` (a descriptor) when one is given.
public enum Files {
    /// Attributes of what `path` names; a symbolic link is not followed.
    public static func status(_ path: String, in directory: Int32 = AT_FDCWD) throws(Errno) -> FileStatus {
        var st = stat()
        _ = try retrying { Int(fstatat(directory, path, &st, AT_SYMLINK_NOFOLLOW)) }
        return FileStatus(st)
    }

    /// Whether `path` names anything.
    public static func exists(_ path: String, in directory: Int32 = AT_FDCWD) -> Bool {
        (try? status(path, in: directory)) != nil
    }

    /// Gives a file or folder another name, replacing what had it.
    public static func rename(_ from: String, _ to: String) throws(Errno) {
        _ = try retrying { Int(Glibc.rename(from, to)) }
    }

    /// Gives a file a second name on the same file system.
    public static func link(_ from: String, _ to: String) throws(Errno) {
        _ = try retrying { Int(Glibc.link(from, to)) }
    }

    /// Removes a file's name.
    ///
    /// With `ifExists` a missing file is no error.
    public static func unlink(
        _ path: String,
        in directory: Int32 = AT_FDCWD,
        ifExists: Bool = false
    ) throws(Errno) {
        do throws(Errno) {
            _ = try retrying { Int(unlinkat(directory, path, 0)) }
        } catch {
            if !(ifExists && error == .noEntry) { throw error }
        }
    }

    /// Makes a folder.
    public static func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws(Errno) {
        _ = try retrying { Int(mkdir(path, mode)) }
    }

    /// Makes a folder and those above it, where missing.
    ///
    /// With `synchronize` the names of those that were made are on disk afterwards: whatever is in a folder is lost when power
    /// fails and its own name was not.
    public static func makeDirectories(
        _ path: String,
        mode: UInt32 = 0o755,
        synchronize: Bool = false
    ) throws(Errno) {
        do throws(Errno) {
            try makeDirectory(path, mode: mode)
        } catch .exists {
            // status() does not follow a link to a folder; opening does.
            _ = try FileDescriptor.open(path, [.directory, .path])
            return
        } catch .noEntry {
            guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { throw .noEntry }
            try makeDirectories(String(path[..<slash]), mode: mode, synchronize: synchronize)
            do throws(Errno) {
                try makeDirectory(path, mode: mode)
            } catch {
                if error != .exists { throw error }
            }
        }
        if synchronize { try synchronizeDirectory(path + "/..") }
    }

    /// Removes an empty folder.
    public static func removeDirectory(_ path: String) throws(Errno) {
        _ = try retrying { Int(rmdir(path)) }
    }

    /// Removes a folder and all below it.
    ///
    /// Does not follow links.
    public static func removeTree(_ path: String) throws(Errno) {
        for entry in try list(path) {
            let child = path + "/" + entry.name
            if entry.isDirectory {
                try removeTree(child)
            } else {
                try unlink(child, ifExists: true)
            }
        }
        try removeDirectory(path)
    }

    /// Waits until the names in a folder are on disk.
    public static func synchronizeDirectory(_ path: String) throws(Errno) {
        try FileDescriptor.open(path, [.directory]).synchronize()
    }

    /// The absolute path without links, `.` and `..`.
    public static func realPath(_ path: String) throws(Errno) -> String {
        guard let resolved = realpath(path, nil) else { throw Errno.last }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Space and limits of the file system that holds `path`.
    public static func fileSystem(_ path: String) throws(Errno) -> statvfs {
        var st = statvfs()
        _ = try retrying { Int(statvfs(path, &st)) }
        return st
    }

    /// The content of a file of at most `limit` bytes; a longer one throws `EFBIG`.
    public static func read(_ path: String, limit: Int = 16 << 20) throws(Errno) -> [UInt8] {
        let file = try FileDescriptor.open(path, .readOnly)
        var bytes: [UInt8] = []
        let chunk = Buffer(count: 64 << 10)
        while true {
            let count = try file.read(into: chunk.bytes, at: Int64(bytes.count))
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else { throw .fileTooLarge }
            bytes.append(contentsOf: chunk.bytes[..<count])
        }
    }

    /// A step of `replace`.
    public enum ReplaceStep: Sendable {
        case write
        case synchronize
        case rename
        case synchronizeFolder
    }

    /// Replaces a file's content so that a crash leaves the old or the new content, never a mixture.
    ///
    /// `before` is called before each step; what it throws ends the work there.
    public static func replace(
        _ path: String,
        with bytes: [UInt8],
        before: (ReplaceStep) throws(Errno) -> Void = { _ in }
    ) throws(Errno) {
        let temporary = path + ".tmp"
        let file = try FileDescriptor.open(temporary, [.writeOnly, .create, .truncate])
        try before(.write)
        try file.write(bytes, at: 0)
        try before(.synchronize)
        try file.synchronize()
        try before(.rename)
        try rename(temporary, path)
        if let slash = path.lastIndex(of: "/") {
            try before(.synchronizeFolder)
            try synchronizeDirectory(String(path[...slash]))
        }
    }
}

/// A name in a folder.
public struct DirectoryEntry: Sendable {
    /// The name, without its folder.
    public let name: String
    /// File type bits (`S_IFREG`, `S_IFDIR`, `S_IFLNK`).
    public let type: UInt32
    /// Whether it names a folder.
    public var isDirectory: Bool { type == S_IFDIR }
}

// Symbolic links themselves, not what they name.
extension Files {
    /// Makes a symbolic link.
    public static func makeSymbolicLink(_ path: String, to target: String) throws(Errno) {
        _ = try retrying { Int(symlink(target, path)) }
    }

    /// What a symbolic link says.
    ///
    /// - Throws: `.illegalByteSequence` when that is no UTF-8.
    public static func symbolicLink(_ path: String) throws(Errno) -> String {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = try retrying { readlink(path, &bytes, bytes.count) }
        guard let text = String(validating: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        else {
            throw .illegalByteSequence
        }
        return text
    }

    /// Sets a link's owner and group; nil stays as it is.
    public static func setOwner(ofLink path: String, user: UInt32?, group: UInt32?) throws(Errno) {
        _ = try retrying { Int(lchown(path, user ?? .max, group ?? .max)) }
    }

    /// Sets a link's times in nanoseconds since 1970; nil stays as it is.
    public static func setTimes(ofLink path: String, accessed: Int64?, modified: Int64?) throws(Errno) {
        let times = [timespec(changingTo: accessed), timespec(changingTo: modified)]
        _ = try retrying { Int(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW)) }
    }
}

extension Files {
    /// The names in a folder, without `.` and `..`, in no order.
    ///
    /// Names that are not UTF-8 are left out.
    public static func list(_ path: String) throws(Errno) -> [DirectoryEntry] {
        guard let directory = opendir(path) else { throw Errno.last }
        defer { closedir(directory) }
        var entries: [DirectoryEntry] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(validatingCString: $0) }
            }
            guard let name, name != ".", name != ".." else { continue }
            var type = UInt32(entry.pointee.d_type) << 12
            if entry.pointee.d_type == UInt8(DT_UNKNOWN) {
                type = ((try? status(path + "/" + name))?.mode ?? S_IFREG) & S_IFMT
            }
            entries.append(DirectoryEntry(name: name, type: type))
        }
        return entries
    }
}
