import POSIX
import SQLiteFormat

/// The `-shm` file of a database, mapped region by region.
///
/// Touching the index is I/O on the file.
final class IndexFile {
    let file: OpenFile

    /// The index over all regions that are mapped so far.
    private(set) var index = WALIndex(regions: [])

    private var mapped: [MappedRegion] = []

    /// Maps as many regions as a log with so many frames needs.
    ///
    /// The caller keeps others from shortening the file with the dead-man switch.
    init(_ file: OpenFile, frames: UInt32) throws(ApplyError) {
        self.file = file
        try reserve(frames: frames)
    }

    /// Makes room for the entries of frames up to a number.
    ///
    /// A file that is too short grows by writing zeros, so that a full disk is an error here, and not a signal at the
    /// first access.
    func reserve(frames: UInt32) throws(ApplyError) {
        let wanted = WALIndex.regionCount(forFrames: frames)
        guard mapped.count < wanted else { return }
        try grow(to: Int64(wanted) * Int64(WALIndex.regionSize))
        while mapped.count < wanted {
            let offset = Int64(mapped.count) * Int64(WALIndex.regionSize)
            let region = try file.map(offset: offset, count: WALIndex.regionSize)
            mapped.append(region)
            index.regions.append(region.base)
        }
    }

    /// Unmaps all and closes the file.
    func close() {
        index.regions = []
        mapped = []
        file.close()
    }

    /// The number of entries, from the first frame on, that say what the log says.
    func matchingEntries(_ pages: [UInt32]) -> UInt32 {
        for (frame, page) in zip(UInt32(1)..., pages) {
            let number = PageNumber(rawValue: page)
            guard
                let entry = try? index.page(ofFrame: frame), entry == number,
                let found = try? index.find(page: number, upTo: frame), found == frame
            else { return frame - 1 }
        }
        return UInt32(pages.count)
    }

    /// Enters frames after the last one that is in the index.
    func append(_ pages: some Sequence<UInt32>, after frame: UInt32) throws(ApplyError) {
        var frame = frame
        for page in pages {
            frame += 1
            do throws(SQLiteFormatError) {
                try index.append(frame: frame, page: PageNumber(rawValue: page))
            } catch {
                throw ApplyError(file.name, .format(error))
            }
        }
    }

    /// Builds the index again from a log, beside readers that use it.
    ///
    /// SQLite's recovery does the same: entries that are right stay untouched, marks that readers hold too. The
    /// caller holds WRITE.
    func rebuild(pages: [UInt32], header: WALIndexHeader) throws(ApplyError) {
        try file.lock(.recovery)
        defer { file.unlock(.recovery) }
        try reserve(frames: header.mxFrame)
        let matching = matchingEntries(pages)
        try? index.cleanup(after: matching)
        try append(pages[Int(matching)...], after: matching)
        index.writeHeader(header)
        index.backfilled = 0
        index.backfillAttempted = header.mxFrame
        index.setReadMark(0, to: 0)
        for mark in 1..<LockBytes.WALIndex.readCount where try file.tryLock(.read(mark)) {
            let isFirst = mark == 1 && header.mxFrame > 0
            index.setReadMark(mark, to: isFirst ? header.mxFrame : WALIndex.unusedReadMark)
            file.unlock(.read(mark))
        }
    }

    private func grow(to size: Int64) throws(ApplyError) {
        let present = try file.size()
        guard present < size else { return }
        let zeros = Buffer(count: WALIndex.regionSize)
        zeros.bytes.initializeMemory(as: UInt8.self, repeating: 0)
        var offset = present
        while offset < size {
            let count = Int(min(size - offset, Int64(zeros.bytes.count)))
            try file.write(UnsafeRawBufferPointer(rebasing: zeros.bytes[..<count]), at: offset)
            offset += Int64(count)
        }
    }
}
