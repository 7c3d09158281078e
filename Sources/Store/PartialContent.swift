import Capture
import LTX
import POSIX
import SQLiteFormat

/// What has come of a database that a replica does not have yet, when its snapshot broke off.
///
/// The pages stand in a file beside the database's own, which no reader sees. For a comparison with the primary's it is a
/// database of as many pages as came; what the primary then sends makes it whole.
///
/// Invariant: the file has the pages that `table` says, with page 1 as replicas store it. Whether they are right is found when all are
/// there, like with any other transaction (invariant 6): then the file becomes the database, or goes.
///
/// One thread at a time: the one that receives, until what makes it whole is queued, then the one that applies.
final class PartialContent {
    /// Shorter beginnings of a snapshot are not worth a comparison.
    static let leastByteCount: Int64 = 1 << 20

    /// The file with the pages.
    let path: String
    let file: BackingFile
    let pageSize: PageSize
    /// Checksums of the pages as the primary has them.
    private(set) var table: PageChecksumTable
    /// Bytes 18 and 19 of page 1 as the primary has them.
    private(set) var versionBytes: (write: UInt8, read: UInt8) = (1, 1)

    /// Makes an empty one.
    ///
    /// - Parameters:
    ///   - path: of the file, which is emptied if it exists.
    ///   - pageSize: size of the pages.
    /// - Throws: when the file cannot be made.
    init(_ path: String, pageSize: PageSize) throws(Errno) {
        self.path = path
        self.pageSize = pageSize
        file = try BackingFile.open(path, [.readWrite, .create, .truncate])
        table = PageChecksumTable(pageSize: pageSize)
    }

    deinit { try? Files.unlink(path, ifExists: true) }

    /// Adds the pages of a transaction file that ends somewhere in the middle.
    ///
    /// - Returns: how many pages were added.
    /// - Throws: `StoreError` when a file cannot be read or written.
    func add(pagesOf path: String) throws(StoreError) -> Int {
        let decoder = LTXDecoder()
        let page1 = ReplicaPage1()
        let output = SequentialPages(file, pageSize: pageSize)
        let input = Buffer(count: 1 << 20)
        var offset: Int64 = 0
        var count = 0
        decoder.begin()
        do {
            let incoming = try FileDescriptor.open(path, .readOnly)
            while true {
                let length = try incoming.read(into: input.bytes, at: offset)
                if length == 0 { break }
                offset += Int64(length)
                try decoder.feed(UnsafeRawBufferPointer(rebasing: input.bytes[..<length])) { event in
                    // A page far beyond the others would take memory that nothing was sent for (invariant 9).
                    guard case .page(let page, let data) = event, data.count == pageSize.bytes,
                        Int(page.rawValue) <= Int(table.pageCount) + Applier.gapBound
                    else { return }
                    if page == .first {
                        versionBytes = (
                            data[DatabaseHeader.writeVersionOffset], data[DatabaseHeader.readVersionOffset]
                        )
                    }
                    try output.append(page, page1.localPage(page, data))
                    table.set(page, PageChecksum.compute(page, data))
                    count += 1
                }
            }
            try output.flush()
        } catch {
            // Files that cannot be read or written; nothing in the bytes, which were read before.
            let errno = error as? Errno ?? .io
            throw .file(FileError("keep the beginning of a snapshot in", self.path, errno))
        }
        return count
    }
}

/// Page 1 as replicas store it: it says WAL (invariant 7).
///
/// One thread.
final class ReplicaPage1 {
    private let copy = Buffer(count: 65_536)

    /// A page as the replica stores it; valid until the next call.
    func localPage(_ page: PageNumber, _ data: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard page == .first else { return data }
        let copy = UnsafeMutableRawBufferPointer(rebasing: copy.bytes[..<data.count])
        copy.copyMemory(from: data)
        copy[DatabaseHeader.writeVersionOffset] = JournalMode.wal.versionByte
        copy[DatabaseHeader.readVersionOffset] = JournalMode.wal.versionByte
        return UnsafeRawBufferPointer(copy)
    }
}
