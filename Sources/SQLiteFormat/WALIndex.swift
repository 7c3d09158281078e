// The wal-index: shared memory (the `-shm` file) that tells readers where the newest version of a page lies in the
// write-ahead log. It can always be built again from the log.
//
// Layout. The memory is a sequence of regions of 32 KiB. A region indexes 4096 frames; the first one gives its
// start to headers and indexes only 4062.
//
//     region 0      0  header, copy 0 (WALIndexHeader)
//                  48  header, copy 1
//                  96  nBackfill: frames that a checkpoint has copied to the database
//                 100  five read marks
//                 120  bytes that only serve as locks (LockBytes.WALIndex)
//                 128  nBackfillAttempted: frames that a checkpoint may have begun to copy
//                 136  page numbers of frames 1 ... 4062
//               16384  hash table
//     region r      0  page numbers of frames 4063 + (r - 1) * 4096 ... 4062 + r * 4096
//               16384  hash table
//
// With wal2 regions of `-wal` and of `-wal2` take turns (WALIndexPart), nBackfill says whether (1) or not (0) the database file has
// all of the file that is not written, and read marks are not used.
//
// A page number has 32 bits. A hash table has 8192 slots of 16 bits: the place of a frame in the region, counted
// from 1, or 0 for a free slot. A page's search starts at slot (page * 383) mod 8192 and goes on to the next slot,
// from the last to the first, until a free one ends it. All numbers are in the byte order of the host.
//
// Looking up page p in a log that ends, for this reader, at frame m: from the region of m down, follow the probe
// sequence of p, and take the largest frame up to m whose page number is p. The first region that has one
// decides. Slots of frames after m are skipped: they belong to commits that this reader does not see.
//
// Appending a frame: its page number, then its slot, the first free one of the probe sequence. The first frame of
// a region finds leftovers of an earlier log there, so it first fills page numbers and slots with zeros. A writer
// that died, or rolled back after it had written frames, leaves entries after the last commit; they must be gone
// before new ones come, or probe sequences would fill up.
//
// Publishing: entries first, then the header. Copy 1 is stored before copy 0, with a barrier between; a reader
// loads copy 0 before copy 1, and believes them only if they are equal and the checksum is right. So a reader
// sees the header before the commit or after it, and if after, it sees the entries too.
//
// Who may write. Entries and header: the holder of the lock byte WRITE, or of WRITE, CHECKPOINT and RECOVER while
// building the index. nBackfill: the holder of CHECKPOINT. A read mark: the holder of its own byte, exclusively.

import CShims

/// The wal-index of a write-ahead log, over memory that other processes map too.
///
/// The value holds addresses only; the caller keeps the regions mapped while it is used, and holds the locks
/// that each method names. Content is not trusted: what another process has damaged gives errors or absent
/// results, never an access outside of the regions. Frames are counted from 1.
public struct WALIndex {
    /// The number of bytes of a region.
    public static let regionSize = 32_768

    /// The number of frames that a region after the first indexes (`HASHTABLE_NPAGE`).
    public static let framesPerRegion = 4_096

    /// The number of frames that the first region indexes.
    public static let framesInFirstRegion = 4_062

    /// The number of slots of a hash table.
    public static let slotCount = 8_192

    /// The offset of the hash table in a region, in bytes.
    public static let slotsOffset = 16_384

    /// The number of bytes of headers and checkpoint information at the start of region 0.
    public static let prefixSize = 136

    /// The addresses of the regions, from region 0 on, each of 32 KiB and aligned to at least 8 bytes.
    ///
    /// Regions may be mapped together or each for itself; append one here after mapping it.
    public var regions: [UnsafeMutableRawPointer]

    /// The regions in which frames are looked up and entered.
    public var part = WALIndexPart.whole

    /// The same index, for the frames of one file of wal2.
    public subscript(file: WALFile) -> WALIndex {
        var index = self
        index.part = .file(file)
        return index
    }

    /// Creates a view of mapped regions.
    ///
    /// - Parameter regions: the addresses from region 0 on; may be empty as long as no method is used that needs
    ///   region 0.
    public init(regions: [UnsafeMutableRawPointer]) {
        self.regions = regions
    }

    /// Creates a view of memory that is mapped as a whole.
    ///
    /// - Parameter memory: the mapping from its start; a rest that is smaller than a region is not used.
    public init(contiguous memory: UnsafeMutableRawBufferPointer) {
        guard let start = memory.baseAddress else {
            self.init(regions: [])
            return
        }
        self.init(regions: (0..<memory.count / Self.regionSize).map { start + $0 * Self.regionSize })
    }

    /// The version word at the start, for an error about an index that is not of plain WAL.
    public var version: WALVersion {
        WALVersion(rawValue: cshims_load_relaxed_u32(base))
    }

    /// Reads the header as a SQLite reader does.
    ///
    /// - Returns: nothing while a writer stores a new header, after a writer died in the middle of that, and for an
    ///   index that was never built. Trying again helps in the first case; the lock byte WRITE tells them apart.
    public func readHeader() -> WALIndexHeader? {
        try? decodeHeader()
    }

    /// Reads the header, and says why it is not valid.
    ///
    /// - Throws: `SQLiteFormatError` in the cases in which `readHeader` returns nothing.
    public func decodeHeader() throws(SQLiteFormatError) -> WALIndexHeader {
        let result: Result<WALIndexHeader, SQLiteFormatError> = withUnsafeTemporaryAllocation(
            byteCount: 2 * WALIndexHeader.size,
            alignment: 8
        ) { copies in
            for offset in stride(from: 0, to: 2 * WALIndexHeader.size, by: 4) {
                if offset == WALIndexHeader.size { cshims_full_barrier() }
                let word = cshims_load_relaxed_u32(base + offset)
                copies.storeBytes(of: word, toByteOffset: offset, as: UInt32.self)
            }
            let first = UnsafeRawBufferPointer(rebasing: copies[..<WALIndexHeader.size])
            let second = UnsafeRawBufferPointer(rebasing: copies[WALIndexHeader.size...])
            guard first.elementsEqual(second) else {
                return .failure(SQLiteFormatError(.walIndex, at: WALIndexHeader.size, .copiesDiffer))
            }
            do throws(SQLiteFormatError) {
                return .success(try WALIndexHeader(first))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Publishes a header.
    ///
    /// The caller holds the lock byte WRITE, and has appended all entries up to `mxFrame`.
    public func writeHeader(_ header: WALIndexHeader) {
        withUnsafeTemporaryAllocation(byteCount: WALIndexHeader.size, alignment: 8) { bytes in
            header.encode(into: bytes)
            cshims_full_barrier()
            store(bytes, at: WALIndexHeader.size)
            cshims_full_barrier()
            store(bytes, at: 0)
        }
    }

    /// Makes the header invalid, so that the next SQLite reader builds the index again from the log.
    ///
    /// The caller holds the lock byte WRITE.
    public func invalidateHeader() {
        for offset in stride(from: 0, to: 2 * WALIndexHeader.size, by: 4) {
            cshims_store_relaxed_u32(base + offset, 0)
        }
        cshims_full_barrier()
    }

    /// The address of region 0.
    var base: UnsafeMutableRawPointer {
        precondition(!regions.isEmpty, "the first region of the wal-index is not mapped")
        return regions[0]
    }

    private func store(_ copy: UnsafeMutableRawBufferPointer, at start: Int) {
        for offset in stride(from: 0, to: WALIndexHeader.size, by: 4) {
            cshims_store_relaxed_u32(
                base + start + offset,
                copy.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            )
        }
    }
}
