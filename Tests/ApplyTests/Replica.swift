import POSIX
import SQLiteFormat

@testable import Apply

/// A folder with a database, its log and its wal-index, of which `ReplicaWAL` is the writer.
///
/// Descriptors stay open until the end, because closing one drops the locks that SQLite connections of this process
/// have on the file.
final class Replica {
    let path: String
    private(set) var wal: ReplicaWAL

    private let name: String
    private let synchronous: Bool
    private let directory: FileDescriptor
    private let database: FileDescriptor
    private let log: FileDescriptor
    private let pageSize: PageSize
    private var retired: [ReplicaWAL] = []

    /// Makes a replica of the primary's state.
    convenience init(
        _ folder: TemporaryFolder,
        of primary: Primary,
        synchronous: Bool = false
    ) throws {
        try self.init(folder, startingWith: primary.image, synchronous: synchronous)
    }

    /// Makes a replica of a database image.
    init(_ folder: TemporaryFolder, startingWith image: [UInt8], synchronous: Bool) throws {
        name = "replica.db"
        self.synchronous = synchronous
        path = folder.file(name)
        try folder.write(name, image)
        try folder.write(name + "-wal", [])
        try folder.write(name + "-shm", [])
        pageSize = try image.withUnsafeBytes { try DatabaseHeader($0).pageSize }
        directory = try FileDescriptor.open(folder.path, [.directory])
        database = try FileDescriptor.open(path, .readWrite)
        log = try FileDescriptor.open(path + "-wal", .readWrite)
        try ReplicaWAL.writeIndex(for: .empty, to: try FileDescriptor.open(path + "-shm", .readWrite))
        wal = try ReplicaWAL(
            HeldFiles(name: name, directory: directory.rawValue),
            content: .empty,
            pageSize: pageSize,
            synchronous: synchronous
        )
    }

    /// What the log holds.
    func content() throws -> WALContent {
        try WALContent { (buffer, offset) throws(Errno) in try log.read(into: buffer, at: offset) }
    }

    /// The size of a file: `""`, `"-wal"` or `"-shm"`.
    func size(_ suffix: String) throws -> Int64 {
        try Files.status(path + suffix).size
    }

    /// Opens the log a second time, as a daemon does after it was killed; the first one stops first.
    ///
    /// With `alive`, its descriptors are closed only at the end: in this process, closing would drop the locks of
    /// SQLite connections.
    func reopen(alive: Bool = false) throws {
        if alive {
            retired.append(wal)
        } else {
            wal.close()
        }
        wal = try ReplicaWAL(
            HeldFiles(name: name, directory: directory.rawValue),
            content: try content(),
            pageSize: pageSize,
            synchronous: synchronous
        )
    }

    /// Takes the wal-index away while nobody uses it, and makes a new one from the log.
    func rebuildIndex() throws {
        try ReplicaWAL.writeIndex(for: try content(), to: try FileDescriptor.open(path + "-shm", .readWrite))
    }

    /// Applies a transaction.
    func apply(_ transaction: PageTransaction) throws {
        try wal.begin(pageSize: transaction.pageSize)
        do {
            try appendPages(transaction)
            try wal.commit(pageCount: transaction.pageCount)
        } catch {
            wal.abandon()
            throw error
        }
    }

    /// Adds the pages of a transaction, which was started.
    func appendPages(_ transaction: PageTransaction) throws {
        for page in transaction.pages {
            try page.bytes.withUnsafeBytes { try wal.append(PageNumber(page.number), $0) }
        }
    }

    /// The database file, without the log.
    func databaseFile() throws -> [UInt8] {
        var bytes: [UInt8] = Array(repeating: 0, count: Int(try size("")))
        _ = try bytes.withUnsafeMutableBytes { try database.read(into: $0, at: 0) }
        return bytes
    }
}
