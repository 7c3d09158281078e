import FUSE
import Glibc
import POSIX

/// A file system of one empty folder with one file in it, enough to be mounted and to be in use.
final class TinyFileSystem: FileSystem {
    /// The name of the file.
    static let name = "file"

    private func entry(_ inode: InodeNumber) -> Entry {
        var status = stat()
        status.st_ino = UInt(inode)
        status.st_mode = inode == 1 ? S_IFDIR | 0o755 : S_IFREG | 0o644
        status.st_nlink = 1
        return Entry(inode: inode, attributes: Attributes(status, timeout: 60), timeout: 60)
    }

    func lookup(_ name: String, in parent: InodeNumber, caller: Caller) throws(Errno) -> LookupResult {
        name == Self.name ? .found(entry(2)) : .absent(timeout: 60)
    }
    func attributes(of inode: InodeNumber) throws(Errno) -> Attributes { entry(inode).attributes }
    func open(_ inode: InodeNumber, flags: OpenFlags, caller: Caller) throws(Errno) -> CachePolicy { .keep }
    func read(
        _ inode: InodeNumber,
        into buffer: UnsafeMutableRawBufferPointer,
        at offset: Int64
    ) throws(Errno) -> Int {
        0
    }
    func list(_ inode: InodeNumber) throws(Errno) -> [ListedName] {
        [ListedName(name: Self.name, inode: 2, type: S_IFREG)]
    }
    func statistics() throws(Errno) -> statvfs { statvfs() }
    func forget(_ inode: InodeNumber, count: UInt64) {}
    func isDirect(_ inode: InodeNumber) -> Bool { false }
    func entry(of inode: InodeNumber) throws(Errno) -> Entry { entry(inode) }
    func release(_ inode: InodeNumber) {}
    func synchronize(_ inode: InodeNumber, dataOnly: Bool, caller: Caller) throws(Errno) {}
    func synchronizeDirectory(_ inode: InodeNumber) throws(Errno) {}

    func setAttributes(
        of inode: InodeNumber,
        _ changes: AttributeChanges,
        caller: Caller
    ) throws(Errno) -> Attributes {
        throw .readOnlyFileSystem
    }
    func create(
        _ name: String,
        in parent: InodeNumber,
        mode: UInt32,
        flags: OpenFlags,
        caller: Caller
    ) throws(Errno) -> (Entry, CachePolicy) {
        throw .readOnlyFileSystem
    }
    func write(
        _ inode: InodeNumber,
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64,
        caller: Caller
    ) throws(Errno) {
        throw .readOnlyFileSystem
    }
    func allocate(_ inode: InodeNumber, mode: Int32, offset: Int64, length: Int64) throws(Errno) {
        throw .readOnlyFileSystem
    }
    func unlink(_ name: String, in parent: InodeNumber, caller: Caller) throws(Errno) {
        throw .readOnlyFileSystem
    }
    func makeDirectory(
        _ name: String,
        in parent: InodeNumber,
        mode: UInt32,
        caller: Caller
    ) throws(Errno) -> Entry {
        throw .readOnlyFileSystem
    }
    func makeSymbolicLink(
        _ name: String,
        in parent: InodeNumber,
        to target: String,
        caller: Caller
    ) throws(Errno) -> Entry {
        throw .readOnlyFileSystem
    }
    func symbolicLink(_ inode: InodeNumber) throws(Errno) -> String { throw .invalidArgument }
    func removeDirectory(_ name: String, in parent: InodeNumber, caller: Caller) throws(Errno) {
        throw .readOnlyFileSystem
    }
    func rename(
        _ name: String,
        in parent: InodeNumber,
        to newName: String,
        in newParent: InodeNumber,
        flags: UInt32,
        caller: Caller
    ) throws(Errno) {
        throw .readOnlyFileSystem
    }
}
