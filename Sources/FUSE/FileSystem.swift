import Glibc
import POSIX

/// Number of an inode, chosen by the file system; 1 is the root folder.
public typealias InodeNumber = UInt64

/// Who made a request.
public struct Caller: Sendable {
    /// Kernel's number of the calling *thread*, or 0 when it lives in a PID namespace that cannot be seen from here.
    public let threadID: Int32
    /// User of the caller.
    public let userID: UInt32
    /// Group of the caller.
    public let groupID: UInt32
    /// Whether the request may have been carried out already, wholly or in part, by a process that did not live to answer it.
    public var isRepeated = false
}

/// Attributes of an inode and how long the kernel may believe them.
public struct Attributes {
    /// As stat(2) shows them.
    public var status: stat
    /// Seconds.
    public var timeout: Double

    /// Joins attributes and their validity in seconds.
    public init(_ status: stat, timeout: Double) {
        self.status = status
        self.timeout = timeout
    }
}

/// A name that was found, and how long the kernel may believe it.
public struct Entry {
    /// The inode it names.
    public var inode: InodeNumber
    /// Its attributes.
    public var attributes: Attributes
    /// Seconds.
    public var timeout: Double

    /// Joins an inode, its attributes and the validity of its name in seconds.
    public init(inode: InodeNumber, attributes: Attributes, timeout: Double) {
        self.inode = inode
        self.attributes = attributes
        self.timeout = timeout
    }
}

/// Answer to a look-up.
public enum LookupResult {
    /// The name exists.
    case found(Entry)
    /// It does not, and the kernel may remember this for so many seconds.
    case absent(timeout: Double)
}

/// How the kernel treats the pages of an opened file.
public enum CachePolicy: Sendable {
    /// Cached, and kept from one open to the next.
    case keep
    /// Cached; what was cached before is dropped.
    case fresh
    /// Never cached: every read comes to the file system.
    case direct
    /// Reads, writes and mappings go to the file of this descriptor, and the file system hears nothing of them.
    ///
    /// All open files of an inode must have it, or none. The descriptor is needed until the request is answered.
    case passThrough(Int32)
}

/// What setattr asks to change; nil stays as it is.
public struct AttributeChanges: Sendable {
    /// Permission bits.
    public var mode: UInt32?
    /// Owner.
    public var userID: UInt32?
    /// Group.
    public var groupID: UInt32?
    /// Size in bytes.
    public var size: Int64?
    /// Times in nanoseconds since 1970.
    public var accessed: Int64?
    /// Times in nanoseconds since 1970.
    public var modified: Int64?
}

/// A name in a listing.
public struct ListedName: Sendable {
    /// The name, without its folder.
    public var name: String
    /// Inode number for `ls -i`; any value when none is assigned yet.
    public var inode: InodeNumber
    /// File type bits (`S_IFREG`, `S_IFDIR`, `S_IFLNK`).
    public var type: UInt32

    /// A name with its inode and type.
    public init(name: String, inode: InodeNumber, type: UInt32) {
        self.name = name
        self.inode = inode
        self.type = type
    }
}

/// What a mounted file system does.
///
/// Called on many threads at once.
///
/// A request whose caller `isRepeated` may be carried out for the second time: what is as it should be already is a success.
///
/// Names are valid UTF-8 without `/` and NUL. A thrown errno is the caller's errno; `ENOSYS` must not be thrown, because
/// the kernel takes it for "this operation does not exist" and never asks again.
public protocol FileSystem: AnyObject, Sendable {
    /// Looks up a name in a folder.
    ///
    /// A found inode is counted as looked up once more.
    func lookup(_ name: String, in parent: InodeNumber, caller: Caller) throws(Errno) -> LookupResult
    /// The kernel dropped `count` look-ups of an inode.
    func forget(_ inode: InodeNumber, count: UInt64)
    /// Attributes of an inode.
    func attributes(of inode: InodeNumber) throws(Errno) -> Attributes
    /// Changes attributes and returns the new ones.
    func setAttributes(
        of inode: InodeNumber,
        _ changes: AttributeChanges,
        caller: Caller
    ) throws(Errno) -> Attributes
    /// Opens a file.
    ///
    /// `flags` as in open(2), without `O_CREAT`, `O_EXCL` and `O_TRUNC`.
    func open(_ inode: InodeNumber, flags: OpenFlags, caller: Caller) throws(Errno) -> CachePolicy
    /// The entry of an inode that was looked up before.
    func entry(of inode: InodeNumber) throws(Errno) -> Entry
    /// Whether reads of the inode are never cached.
    func isDirect(_ inode: InodeNumber) -> Bool
    /// Makes and opens a file.
    ///
    /// The new inode counts as looked up once.
    func create(
        _ name: String,
        in parent: InodeNumber,
        mode: UInt32,
        flags: OpenFlags,
        caller: Caller
    ) throws(Errno) -> (Entry, CachePolicy)
    /// An open file was closed by its last user.
    func release(_ inode: InodeNumber)
    /// Reads at most `buffer.count` bytes; fewer only at the end of the file.
    func read(
        _ inode: InodeNumber,
        into buffer: UnsafeMutableRawBufferPointer,
        at offset: Int64
    ) throws(Errno) -> Int
    /// Writes all of `bytes`, or throws.
    func write(
        _ inode: InodeNumber,
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64,
        caller: Caller
    ) throws(Errno)
    /// Puts a file's content on disk.
    func synchronize(_ inode: InodeNumber, dataOnly: Bool, caller: Caller) throws(Errno)
    /// Reserves space as fallocate(2) does.
    func allocate(_ inode: InodeNumber, mode: Int32, offset: Int64, length: Int64) throws(Errno)
    /// Removes a file's name.
    func unlink(_ name: String, in parent: InodeNumber, caller: Caller) throws(Errno)
    /// Makes a folder.
    ///
    /// The new inode counts as looked up once.
    func makeDirectory(
        _ name: String,
        in parent: InodeNumber,
        mode: UInt32,
        caller: Caller
    ) throws(Errno) -> Entry
    /// Makes a symbolic link.
    ///
    /// The new inode counts as looked up once.
    func makeSymbolicLink(
        _ name: String,
        in parent: InodeNumber,
        to target: String,
        caller: Caller
    ) throws(Errno) -> Entry
    /// What a symbolic link says.
    func symbolicLink(_ inode: InodeNumber) throws(Errno) -> String
    /// Removes an empty folder.
    func removeDirectory(_ name: String, in parent: InodeNumber, caller: Caller) throws(Errno)
    /// Gives a file or folder another name.
    ///
    /// `flags` as in renameat2(2).
    func rename(
        _ name: String,
        in parent: InodeNumber,
        to newName: String,
        in newParent: InodeNumber,
        flags: UInt32,
        caller: Caller
    ) throws(Errno)
    /// All names in a folder, without `.` and `..`.
    func list(_ inode: InodeNumber) throws(Errno) -> [ListedName]
    /// Puts a folder's names on disk.
    func synchronizeDirectory(_ inode: InodeNumber) throws(Errno)
    /// Space and limits.
    func statistics() throws(Errno) -> statvfs
}
