import Capture
import Faults
import LTX
import POSIX
import SQLiteFormat

/// What has come of a database that a replica does not have yet.
///
/// The pages of a snapshot go straight into a file beside the database's own, which no reader sees. When the snapshot is whole and right,
/// the file becomes the database. When it breaks off, the file is compared with the primary's like a database of as many pages as came,
/// and what the primary then sends makes it whole.
///
/// Invariant: the file has the pages that `table` says, with page 1 as replicas store it. Whether they are right is found when all are
/// there, like with any other transaction (invariant 6).
///
/// One thread at a time: the one that receives, until what makes it whole is queued, then the one that applies.
final class PartialContent {
    /// Shorter beginnings of a snapshot are not worth a comparison.
    static let leastByteCount: Int64 = 1 << 20

    /// The name of its database.
    private let database: DatabaseName
    /// The file with the pages.
    let path: String
    let file: BackingFile
    let pageSize: PageSize
    /// Checksums of the pages as the primary has them.
    private(set) var table: PageChecksumTable
    /// Bytes 18 and 19 of page 1 as the primary has them.
    private(set) var versionBytes: (write: UInt8, read: UInt8) = (1, 1)
    /// Pages that were left out before later ones came.
    private var skipped = 0
    private let output: SequentialPages
    private let page1 = ReplicaPage1()

    /// Makes an empty one.
    ///
    /// - Parameters:
    ///   - database: the name of its database.
    ///   - path: of the file, which is emptied if it exists.
    ///   - pageSize: size of the pages.
    /// - Throws: when the file cannot be made.
    init(of database: DatabaseName, in path: String, pageSize: PageSize) throws(Errno) {
        self.database = database
        self.path = path
        self.pageSize = pageSize
        try FaultPoint.installCreate.pass()
        file = try BackingFile.open(path, [.readWrite, .create, .truncate])
        table = PageChecksumTable(pageSize: pageSize)
        output = SequentialPages(file, pageSize: pageSize)
    }

    deinit { try? Files.unlink(path, ifExists: true) }

    /// Bytes of the pages so far.
    var byteCount: Int64 { Int64(table.pageCount) * Int64(pageSize.rawValue) }

    /// Adds a page, or replaces it.
    ///
    /// Pages far beyond the others would take memory that nothing was sent for (invariant 9).
    ///
    /// - Throws: `StoreError.rejected` when too many pages were left out; `file` when the file cannot be written.
    func add(_ page: PageNumber, _ data: UnsafeRawBufferPointer) throws(StoreError) {
        skipped += max(0, Int(page.rawValue) - Int(table.pageCount) - 1)
        guard skipped <= Applier.gapBound else {
            throw .rejected(
                database: database.text,
                reason: "page \(page.rawValue) comes without those before it"
            )
        }
        if page == .first { versionBytes = DatabaseHeader.versionBytes(ofPage1: data) }
        try written { () throws(Errno) in try output.append(page, page1.localPage(page, data, mode)) }
        table.set(page, PageChecksum.compute(page, data))
    }

    /// The journal mode of readers: wal2 if the primary's page 1 says so.
    var mode: JournalMode { JournalMode(readVersion: versionBytes.read) == .wal2 ? .wal2 : .wal }

    /// Writes what is still in memory.
    func flush() throws(StoreError) { try written { () throws(Errno) in try output.flush() } }

    private func written(_ body: () throws(Errno) -> Void) throws(StoreError) {
        do throws(Errno) {
            try body()
        } catch {
            throw .file(FileError("write", path, error))
        }
    }

    /// The database has this size: pages beyond it go.
    func resize(to pageCount: UInt32) { table.resize(to: pageCount) }
}

/// Page 1 as replicas store it: it says WAL, or wal2 (invariant 7).
///
/// One thread.
final class ReplicaPage1 {
    private let copy = Buffer(count: 65_536)

    /// A page as the replica stores it; valid until the next call.
    func localPage(
        _ page: PageNumber,
        _ data: UnsafeRawBufferPointer,
        _ mode: JournalMode
    ) -> UnsafeRawBufferPointer {
        guard page == .first else { return data }
        let copy = UnsafeMutableRawBufferPointer(rebasing: copy.bytes[..<data.count])
        copy.copyMemory(from: data)
        copy[DatabaseHeader.writeVersionOffset] = mode.versionByte
        copy[DatabaseHeader.readVersionOffset] = mode.versionByte
        return UnsafeRawBufferPointer(copy)
    }
}
