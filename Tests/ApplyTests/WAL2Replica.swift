import POSIX
import SQLiteFormat
import WAL2

@testable import Apply

/// A folder with a database in wal2 mode, of which `ReplicaWAL2` is the writer, and the content that it should have.
final class WAL2Replica {
    let path: String
    let shadow: WAL2Shadow
    private(set) var wal: ReplicaWAL2
    private let folder: TemporaryFolder
    private let name = "replica.db"

    init(_ folder: TemporaryFolder, pageSize: Int = 512) throws {
        self.folder = folder
        path = folder.file(name)
        shadow = try WAL2Shadow(folder.file("shadow.db"), pageSize: pageSize)
        try folder.write(name, shadow.image)
        for suffix in ["-wal", "-wal2", "-shm"] { try folder.write(name + suffix, []) }
        try ReplicaWAL2.writeIndex(for: .empty, to: try FileDescriptor.open(path + "-shm", .readWrite))
        wal = try Self.open(folder, name, .empty, pageSize)
    }

    private static func open(
        _ folder: TemporaryFolder,
        _ name: String,
        _ content: LogContent,
        _ pageSize: Int
    ) throws -> ReplicaWAL2 {
        guard let size = PageSize(UInt32(pageSize)) else { preconditionFailure("a page size") }
        let directory = try FileDescriptor.open(folder.path, .directory)
        let files = try HeldFiles(name: name, isWAL2: true, directory: directory.rawValue)
        return try ReplicaWAL2(files, content: content, pageSize: size)
    }

    /// What the log holds.
    func content() throws -> LogContent {
        let files = try WALFile.allCases.map { try Files.read(path + $0.suffix, limit: 1 << 30) }
        return LogContent { file, buffer, offset in
            let rest = files[Int(file.rawValue)].dropFirst(Int(offset)).prefix(buffer.count)
            buffer.copyBytes(from: rest)
            return rest.count
        }
    }

    /// Opens the log a second time, as a daemon does after it was killed.
    func reopen() throws {
        wal.close()
        wal = try Self.open(folder, name, try content(), shadow.pageSize)
    }

    /// Applies what statements change.
    func apply(_ sql: String) throws {
        let change = try shadow.change(sql)
        try apply(change)
    }

    func apply(_ change: WAL2Shadow.Change) throws {
        guard let size = PageSize(UInt32(shadow.pageSize)) else { preconditionFailure("a page size") }
        do {
            try wal.begin(pageSize: size)
            for page in change.pages {
                try page.data.withUnsafeBytes { try wal.append(PageNumber(rawValue: page.number), $0) }
            }
            try wal.commit(pageCount: change.size)
        } catch {
            wal.abandon()
            throw error
        }
    }
}
