// The `-shm` file is read and written, and never mapped. It lies on the daemon's own mount, where a page fault is a
// FUSE request: the kernel may hold this process's address space locked while it waits for the answer, and the thread
// that would give the answer may need just that lock, for a page fault or an allocation of its own. Reads and writes
// use the same cached pages of the kernel that SQLite's processes have mapped, so both sides see each other's
// changes at once.

import Faults
import POSIX
import SQLiteFormat

/// The `-shm` file of a database, with a copy of its regions in memory.
///
/// Page numbers, hash tables and headers have only this writer, so they are changed in the copy, and what has changed
/// is written to the file, in SQLite's order. Readers change read marks, and build the index again if its header is
/// damaged: `refresh` and `reload` read what the file says. Each call is I/O, except for what only reads `index`.
final class IndexFile {
    let file: OpenFile

    /// The index over the copy; for reading.
    private(set) var index = WALIndex(regions: [])

    /// Whether the copy's page numbers or hash tables may differ from the file's, because a write has failed.
    private(set) var isStale = false

    private var regions: [Region] = []

    /// The number of frames up to which single slots are written instead of the whole hash table.
    private static let singleSlots = 8

    /// Copies as many regions as a log with so many frames needs.
    ///
    /// The caller keeps others from shortening the file with the dead-man switch.
    init(_ file: OpenFile, frames: UInt32, in part: WALIndexPart = .whole) throws(ApplyError) {
        self.file = file
        try reserve(frames: frames, in: part)
    }

    /// Makes room for the entries of frames up to a number.
    ///
    /// A file that is too short grows by writing zeros, so that a full disk is an error here, and not after the commit
    /// frame was written.
    func reserve(frames: UInt32, in part: WALIndexPart = .whole) throws(ApplyError) {
        let wanted = part.regionCount(forFrames: frames)
        guard regions.count < wanted else { return }
        try grow(to: Int64(wanted) * Int64(WALIndex.regionSize))
        while regions.count < wanted {
            let region = Region()
            try file.read(into: region.bytes, at: Int64(regions.count) * Int64(WALIndex.regionSize))
            regions.append(region)
            index.regions.append(region.start)
        }
    }

    /// Reads the header and the checkpoint information again.
    func refresh() throws(ApplyError) {
        let prefix = regions[0].bytes[..<WALIndex.prefixSize]
        try file.read(into: UnsafeMutableRawBufferPointer(rebasing: prefix), at: 0)
    }

    /// Reads all regions again, after somebody else may have changed them.
    func reload() throws(ApplyError) {
        isStale = true
        for (number, region) in regions.enumerated() {
            try file.read(into: region.bytes, at: Int64(number) * Int64(WALIndex.regionSize))
        }
        isStale = false
    }

    /// The higher change counter of both copies of the header, whatever else they say; as of the last `refresh` or `reload`.
    var lastChangeCounter: UInt32 {
        let bytes = UnsafeRawBufferPointer(regions[0].bytes)
        return max(
            bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self),
            bytes.loadUnaligned(fromByteOffset: WALIndexHeader.size + 8, as: UInt32.self)
        )
    }

    /// Frees the copy and closes the file.
    func close() {
        index.regions = []
        regions = []
        file.close()
    }

    /// The number of entries, from the first frame on, that say what the log says.
    func matchingEntries(_ pages: [UInt32], in part: WALIndexPart = .whole) -> UInt32 {
        let index = view(part)
        for (frame, page) in zip(UInt32(1)..., pages) {
            let number = PageNumber(rawValue: page)
            guard
                let entry = try? index.page(ofFrame: frame), entry == number,
                let found = try? index.find(page: number, upTo: frame), found == frame
            else { return frame - 1 }
        }
        return UInt32(pages.count)
    }

    /// Enters frames after the last one that is published; `reserve` has made room for them.
    ///
    /// The caller holds WRITE.
    func append(
        _ pages: [UInt32],
        after frame: UInt32,
        in part: WALIndexPart = .whole
    ) throws(ApplyError) {
        isStale = true
        var rest = pages[...]
        var next = frame + 1
        while !rest.isEmpty {
            let start = part.entryOffset(ofFrame: next)
            let ofRegion = rest.prefix((Self.entriesEnd(start) - start) / 4)
            try append(ofRegion, from: next, at: start, part)
            rest = rest.dropFirst(ofRegion.count)
            next += UInt32(ofRegion.count)
        }
        isStale = false
    }

    /// Publishes a header, both copies at once.
    ///
    /// The caller holds WRITE. After an error the header is the one before, or damaged if that could not be written
    /// either.
    func publish(_ header: WALIndexHeader) throws(ApplyError) {
        let present = index.readHeader()
        index.writeHeader(header)
        do throws(ApplyError) {
            try writeHeaderCopies()
        } catch {
            if let present {
                index.writeHeader(present)
                try? writeHeaderCopies()
            }
            throw error
        }
    }

    /// Writes a complete index, with a new size, to a file that nobody uses.
    ///
    /// - Parameters:
    ///   - parts: the page of each frame, for each part.
    ///   - header: what it publishes.
    ///   - file: the `-shm` file.
    ///   - complete: sets the checkpoint information, which is zeros before.
    /// - Throws: `ApplyError` when the file cannot be written.
    static func write(
        _ parts: [(part: WALIndexPart, pages: [UInt32])],
        _ header: WALIndexHeader,
        to file: borrowing FileDescriptor,
        completing complete: (WALIndex) -> Void
    ) throws(ApplyError) {
        let regions = parts.map { $0.part.regionCount(forFrames: UInt32($0.pages.count)) }.max() ?? 1
        let memory = Buffer(count: regions * WALIndex.regionSize)
        memory.bytes.initializeMemory(as: UInt8.self, repeating: 0)
        var index = WALIndex(contiguous: memory.bytes)
        do throws(SQLiteFormatError) {
            for (part, pages) in parts {
                index.part = part
                for (frame, page) in zip(UInt32(1)..., pages) {
                    try index.append(frame: frame, page: PageNumber(rawValue: page))
                }
            }
        } catch {
            throw ApplyError("-shm", .format(error))
        }
        complete(index)
        index.writeHeader(header)
        do throws(Errno) {
            try file.truncate(to: 0)
            try file.write(UnsafeRawBufferPointer(memory.bytes), at: 0)
        } catch {
            throw ApplyError("-shm", .system(call: OpenFile.Call.write.rawValue, error))
        }
    }

    /// Builds the index again from a log, beside readers that use it.
    ///
    /// SQLite's recovery does the same: entries that are right keep their bytes, and so do marks that readers hold. The
    /// caller holds WRITE.
    func rebuild(pages: [UInt32], header: WALIndexHeader) throws(ApplyError) {
        // Not RECOVER: nobody else can begin a recovery without WRITE, and readers that find the header half written wait for the holder of WRITE,
        // but give up on that of RECOVER.
        try file.lock(.checkpoint)
        defer { file.unlock(.checkpoint) }
        try reserve(frames: header.mxFrame)
        try reload()
        try rebuildEntries(pages, in: .whole)
        try setBackfilled(0)
        try setBackfillAttempted(header.mxFrame)
        try setReadMark(0, to: 0)
        try publish(header)
        for mark in 1..<LockBytes.WALIndex.readCount where try file.tryLock(.read(mark)) {
            defer { file.unlock(.read(mark)) }
            let isFirst = mark == 1 && header.mxFrame > 0
            try setReadMark(mark, to: isFirst ? header.mxFrame : WALIndex.unusedReadMark)
        }
    }

    /// Makes the entries of a part those of a log; entries that are right keep their bytes.
    ///
    /// The caller holds WRITE and the locks of a recovery, has made room, and has read all regions.
    func rebuildEntries(_ pages: [UInt32], in part: WALIndexPart) throws(ApplyError) {
        isStale = true
        let matching = matchingEntries(pages, in: part)
        try? view(part).cleanup(after: matching)
        for (frame, page) in zip((matching + 1)..., pages[Int(matching)...]) {
            _ = try enter(page, frame, part)
        }
        let last = part.position(ofFrame: UInt32(pages.count))
        for position in part.position(ofFrame: matching)...last {
            let region = part.region(at: position)
            let start = region * WALIndex.regionSize
            try write((region == 0 ? WALIndex.prefixSize : start)..<start + WALIndex.regionSize)
        }
        isStale = false
    }

    private func view(_ part: WALIndexPart) -> WALIndex {
        var view = index
        view.part = part
        return view
    }

    /// Writes a range of the copy, which lies in one region, to the file.
    func write(_ range: Range<Int>, passing point: FaultPoint = .applyIndexWrite) throws(ApplyError) {
        let number = range.lowerBound / WALIndex.regionSize
        let start = number * WALIndex.regionSize
        let bytes = regions[number].bytes[range.lowerBound - start..<range.upperBound - start]
        try file.write(UnsafeRawBufferPointer(rebasing: bytes), at: Int64(range.lowerBound), passing: point)
    }

    /// Enters frames of one region, the first of which has its page number at an offset.
    private func append(
        _ pages: ArraySlice<UInt32>,
        from frame: UInt32,
        at start: Int,
        _ part: WALIndexPart
    ) throws(ApplyError) {
        let region = part.regionIndex(ofFrame: frame)
        let isFirst = frame == 1 || region != part.regionIndex(ofFrame: frame - 1)
        let view = view(part)
        let hasLeftovers =
            isFirst || zip(frame..., pages).contains { (try? view.page(ofFrame: $0.0)) != nil }
        var words: [Int] = []
        for (number, page) in zip(frame..., pages) {
            let slot = try enter(page, number, part)
            if pages.count <= Self.singleSlots { words.append(slot & ~7) }
        }
        let slots = Self.entriesEnd(start)
        let end = (region + 1) * WALIndex.regionSize
        // Entries that went away may be anywhere behind; the hash table follows the page numbers.
        if hasLeftovers { return try write(start..<end) }
        try write(start..<start + 4 * pages.count)
        if words.isEmpty { return try write(slots..<end) }
        // Whole words of 8 bytes, which the kernel copies at once: readers may look at these slots meanwhile.
        for word in words { try write(word..<word + 8) }
    }

    private func enter(_ page: UInt32, _ frame: UInt32, _ part: WALIndexPart) throws(ApplyError) -> Int {
        do throws(SQLiteFormatError) {
            return try view(part).append(frame: frame, page: PageNumber(rawValue: page))
        } catch {
            throw ApplyError(file.name, .format(error))
        }
    }

    private func writeHeaderCopies() throws(ApplyError) {
        // Both in one write, which the kernel copies to its page before it asks anybody: a daemon that is killed leaves the header of before or
        // the new one, never two that differ, for which readers would build the index again and keep each other out. The order in which the
        // bytes of the copies change does not matter: a reader believes them only when they are equal, and all entries are there before.
        try write(0..<2 * WALIndexHeader.size, passing: .applyIndexPublish)
    }

    /// The offset after the page numbers of the region in which an offset lies.
    private static func entriesEnd(_ offset: Int) -> Int {
        offset / WALIndex.regionSize * WALIndex.regionSize + WALIndex.slotsOffset
    }

    private func grow(to size: Int64) throws(ApplyError) {
        let present = try file.size()
        guard present < size else { return }
        let zeros = Buffer(count: WALIndex.regionSize)
        zeros.bytes.initializeMemory(as: UInt8.self, repeating: 0)
        var offset = present
        while offset < size {
            let count = Int(min(size - offset, Int64(zeros.bytes.count)))
            try file.write(
                UnsafeRawBufferPointer(rebasing: zeros.bytes[..<count]),
                at: offset,
                passing: .applyIndexGrow
            )
            offset += Int64(count)
        }
    }
}

/// The memory of a copied region.
private final class Region {
    let start = UnsafeMutableRawPointer.allocate(byteCount: WALIndex.regionSize, alignment: 4096)

    var bytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: start, count: WALIndex.regionSize)
    }

    deinit {
        start.deallocate()
    }
}
