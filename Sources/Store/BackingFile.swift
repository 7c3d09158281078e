import POSIX
import SQLiteFormat
import Synchronization

/// The files of a database.
public enum DatabaseFileKind: String, Sendable, CaseIterable {
    /// The pages.
    case database
    /// The rollback journal.
    case journal
    /// The write-ahead log.
    case wal
    /// The second file of the log of a database in wal2 mode.
    case wal2
    /// The wal-index.
    case shm

    /// The file of a write-ahead log.
    init(_ file: WALFile) { self = file == .wal ? .wal : .wal2 }

    /// Which file of the log it is; nil for other files.
    var log: WALFile? {
        switch self {
        case .wal: .wal
        case .wal2: .wal2
        default: nil
        }
    }

    /// What is appended to the database's name on the mount.
    public var suffix: String {
        self == .database ? "" : "-" + rawValue
    }
}

/// An open file in the data directory that backs an inode of the mount.
///
/// It stays open while an inode refers to it, also after its name was removed. Reads and writes are thread-safe; which writes
/// are allowed, and what they mean, is for the owner to say.
public final class BackingFile: Sendable {
    /// The open file.
    public let descriptor: FileDescriptor

    /// Open files of the mount that it backs.
    private let users = Atomic<Int>(0)
    private let passing = Atomic<Bool>(false)
    private let kept = Atomic<Bool>(false)

    /// Takes over an open file.
    public init(_ descriptor: consuming FileDescriptor) {
        self.descriptor = descriptor
    }

    /// Opens or makes the file at `path`.
    public static func open(
        _ path: String,
        _ flags: OpenFlags = [.readWrite, .create],
        mode: UInt32 = 0o644
    )
        throws(Errno) -> BackingFile
    {
        BackingFile(try FileDescriptor.open(path, flags, mode: mode))
    }

    /// Whether a program, or the daemon itself, has it open on the mount.
    public var isInUse: Bool { users.load(ordering: .acquiring) > 0 }

    /// Whether it is open on the mount more than once.
    public var isShared: Bool { users.load(ordering: .acquiring) > 1 }

    /// Notes that it was opened on the mount.
    public func opened() {
        users.add(1, ordering: .acquiringAndReleasing)
    }

    /// Notes that it was opened on the mount, and says whether that passes through.
    ///
    /// All open files do as the first one: only a file that nobody has open may change from one way to the other.
    ///
    /// One thread at a time: the owner sees to that.
    public func opened(mayPassThrough: Bool) -> Bool {
        if !isInUse { passing.store(mayPassThrough, ordering: .releasing) }
        opened()
        return passing.load(ordering: .acquiring)
    }

    /// Whether a program has it open and its writes pass by.
    public var isPassing: Bool { isInUse && passing.load(ordering: .acquiring) }

    /// Notes that the last user of an open file of the mount closed it.
    ///
    /// The kernel says so also for a process that died.
    public func closed() {
        users.subtract(1, ordering: .acquiringAndReleasing)
    }

    /// Notes an open file of the mount that was opened when another process served it.
    ///
    /// Before anybody else uses it.
    public func restored(passesThrough: Bool) {
        if passesThrough { passing.store(true, ordering: .releasing) }
        opened()
    }

    /// Whether somebody keeps it open for the next process, because it has no name any more.
    public var isKept: Bool { kept.load(ordering: .acquiring) }

    /// Notes that somebody keeps it, or does no longer; returns what was before.
    public func setKept(_ isKept: Bool) -> Bool { kept.exchange(isKept, ordering: .acquiringAndReleasing) }

    /// Number of the inode in the data directory; 0 when it cannot be told.
    public var identity: UInt64 { (try? descriptor.status().inode) ?? 0 }

    /// Size in bytes.
    public func size() throws(Errno) -> Int64 { try descriptor.status().size }

    /// Reads, and takes an error for the end of the file: for content that is checked by what it says.
    func lenientRead(_ buffer: UnsafeMutableRawBufferPointer, _ offset: Int64) -> Int {
        (try? descriptor.read(into: buffer, at: offset)) ?? 0
    }
}

/// Keeps files open that programs use and that have no name any more, for the daemon that comes after this one.
public protocol FileKeeper: AnyObject, Sendable {
    /// Keeps a file whose name is about to go; before it does.
    func keep(_ file: BackingFile)
    /// Nobody uses the file any more.
    func drop(_ file: BackingFile)
}
