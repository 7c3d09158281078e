import Faults
import POSIX
import SQLiteFormat

/// Copies frames of a log to the database file.
struct FrameCopy: ~Copyable {
    private let log: OpenFile
    private let database: OpenFile
    private let pageSize: PageSize
    private let buffer = Buffer(count: 1 << 20)

    init(from log: OpenFile, to database: OpenFile, pageSize: PageSize) {
        self.log = log
        self.database = database
        self.pageSize = pageSize
    }

    /// Copies the newest version of each page in a range of frames, in the order of pages.
    ///
    /// - Parameters:
    ///   - first: the frame before the first one.
    ///   - pages: the page of each frame.
    ///   - pageCount: the size of the database in pages; those beyond it are left out.
    /// - Returns: the number of pages that were written.
    /// - Throws: `ApplyError` when a file cannot be read or written.
    func frames(
        after first: UInt32,
        pages: some Collection<UInt32>,
        pageCount: UInt32
    ) throws(ApplyError) -> Int {
        // Page and frame in one word, so that sorting puts the newest version of a page last.
        var versions: [UInt64] = []
        versions.reserveCapacity(pages.count)
        for (frame, page) in zip((first + 1)..., pages) where page <= pageCount {
            versions.append(UInt64(page) << 32 | UInt64(frame))
        }
        versions.sort()
        var count = 0
        var runStart: UInt32 = 0
        var runBytes = 0
        for (place, version) in versions.enumerated() {
            let page = UInt32(truncatingIfNeeded: version >> 32)
            let next = place + 1
            if next < versions.count, versions[next] >> 32 == version >> 32 { continue }
            if runBytes == buffer.bytes.count || page != runStart + UInt32(runBytes / pageSize.bytes) {
                try writePages(buffer.bytes[..<runBytes], from: runStart)
                runStart = page
                runBytes = 0
            }
            let place = UnsafeMutableRawBufferPointer(
                rebasing: buffer.bytes[runBytes..<runBytes + pageSize.bytes]
            )
            let frame = UInt32(truncatingIfNeeded: version)
            try log.read(into: place, at: WALFrames.pageOffset(ofFrame: frame, pageSize: pageSize))
            runBytes += pageSize.bytes
            count += 1
        }
        try writePages(buffer.bytes[..<runBytes], from: runStart)
        return count
    }

    private func writePages(
        _ bytes: Slice<UnsafeMutableRawBufferPointer>,
        from page: UInt32
    ) throws(ApplyError) {
        guard !bytes.isEmpty else { return }
        try database.write(
            UnsafeRawBufferPointer(rebasing: bytes),
            at: Int64(page - 1) * Int64(pageSize.rawValue),
            passing: .checkpointDatabaseWrite
        )
    }
}
