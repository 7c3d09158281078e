import POSIX
import SQLiteFormat

// How large a database can be.
//
// Invariant 9: data never ends the process. Any program on the mount can say that a database has four billion pages: it
// truncates the file to 16 TiB, or writes a header or a frame that says so. None of that takes space on the disk, but each page
// costs the daemon 8 bytes of memory, and a read to compare it. So a size is believed as far as real content goes with it. Holes
// are legal (the lock page; pages that were allocated and freed again before they were written), so is a file system that
// compresses: the bound is far from both.
extension Database {
    /// Pages that a database may have beyond a multiple of what its files take on the disk: 64 MiB of checksums and 16 GiB to
    /// compare, which takes some seconds.
    static func holeBound(_ pageSize: PageSize) -> UInt32 {
        min(8 << 20, UInt32((16 << 30) / Int64(pageSize.rawValue)))
    }
    /// How many times larger a database may be than what its files take on the disk.
    static let compressionBound: Int64 = 16
    /// The most pages that SQLite gives a database.
    static let maximumPageCount: UInt32 = 0xffff_fffe

    /// Refuses a size that the files do not account for.
    func checkSize(_ pageCount: UInt32, _ pageSize: PageSize) throws(StoreError) {
        let holeBound = Self.holeBound(pageSize)
        guard pageCount > table.pageCount || pageCount > Self.maximumPageCount, pageCount > holeBound
        else {
            return
        }
        let wanted = Int64(pageCount - holeBound) * Int64(pageSize.rawValue)
        let allocated = [files.database, files.wal, files.wal2]
            .reduce(Int64(0)) { sum, file in
                sum + ((try? file?.descriptor.status().allocatedByteCount) ?? 0)
            }
        guard
            pageCount > Self.maximumPageCount
                || wanted / Self.compressionBound > allocated
        else { return }
        throw .fault(
            database: name.text,
            reason:
                "it says that it has \(pageCount) pages of \(pageSize.rawValue) bytes, but its files take only "
                + "\(allocated) bytes on the disk"
        )
    }
}

extension PageSize {
    /// Pages that a file of `byteCount` bytes reaches into.
    func pages(toHold byteCount: Int64) -> UInt32 {
        byteCount > 0 ? UInt32(clamping: (byteCount - 1) / Int64(rawValue) + 1) : 0
    }
}
