import Capture
import LTX
import POSIX
import SQLiteFormat

/// Reads committed pages wherever they lie: the newest frame of the log that holds a page, else the database file.
///
/// Valid as long as nobody changes either; the owner sees to that.
struct LogicalReader {
    private let files: DatabaseFiles
    private let pageSize: PageSize
    private let newest: [UInt32: FramePlace]

    /// Reads from open files; `frames` are the committed frames of the log.
    ///
    /// With `pages`, only these are read from the log.
    init(files: DatabaseFiles, frames: LogFrames, pageSize: PageSize, only pages: PageSet? = nil) {
        self.files = files
        self.pageSize = pageSize
        var newest: [UInt32: FramePlace] = [:]
        newest.reserveCapacity(min(frames.count, pages?.count ?? .max))
        frames.visit { page, place in
            if pages?.contains(PageNumber(page)) ?? true { newest[page] = place }
        }
        self.newest = newest
    }

    /// The newest frame that holds each page of the log.
    var frames: [UInt32: FramePlace] { newest }

    /// Fills the buffer with a page; what no file holds reads as zeros.
    func read(_ page: PageNumber, into buffer: UnsafeMutableRawBufferPointer) {
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<pageSize.bytes])
        let count: Int
        if let place = newest[page.rawValue], let log = files[place.file] {
            count = log.lenientRead(target, place.pageOffset(pageSize))
        } else {
            count =
                files.database?.lenientRead(target, Int64(page.rawValue - 1) * Int64(pageSize.rawValue)) ?? 0
        }
        if count < target.count {
            UnsafeMutableRawBufferPointer(rebasing: target[count...])
                .initializeMemory(as: UInt8.self, repeating: 0)
        }
    }

    /// Bytes 18 and 19 of page 1.
    var versionBytes: (write: UInt8, read: UInt8) {
        let page1 = Buffer(count: pageSize.bytes)
        read(.first, into: page1.bytes)
        return DatabaseHeader.versionBytes(ofPage1: page1.bytes)
    }

    /// Checksums of all pages.
    ///
    /// Reads the database file in large pieces; a large one by several threads, because programs may be waiting for it.
    func table(pageCount: UInt32) -> PageChecksumTable {
        var checksums = [UInt64](repeating: 0, count: Int(pageCount))
        let perThread = max(
            Self.leastBytesPerThread / pageSize.bytes,
            (Int(pageCount) + CurrentProcess.processorCount - 1) / CurrentProcess.processorCount
        )
        checksums.withUnsafeMutableBufferPointer { all in
            // SAFETY: each thread writes a part of its own, all are joined before the buffer goes, and nobody changes the files.
            let reader = self
            nonisolated(unsafe) let target = all
            let starts = stride(from: 0, to: all.count, by: perThread)
            let threads = starts.dropFirst()
                .map { start in
                    Thread("checksums") {
                        reader.fill(target, start..<min(start + perThread, target.count))
                    }
                }
            fill(all, 0..<min(perThread, all.count))
            for thread in threads { thread.join() }
        }
        return PageChecksumTable(pageSize: pageSize, checksums: checksums)
    }

    /// What is worth a thread.
    private static let leastBytesPerThread = 64 << 20

    /// Writes the checksums of some pages; page 1 has index 0.
    private func fill(_ checksums: UnsafeMutableBufferPointer<UInt64>, _ range: Range<Int>) {
        let perRead = max(1, (1 << 20) / pageSize.bytes)
        let buffer = Buffer(count: perRead * pageSize.bytes)
        var first = range.lowerBound
        while first < range.upperBound {
            let count = min(perRead, range.upperBound - first)
            let target = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<(count * pageSize.bytes)])
            let filled = files.database?.lenientRead(target, Int64(first) * Int64(pageSize.rawValue)) ?? 0
            if filled < target.count {
                UnsafeMutableRawBufferPointer(rebasing: target[filled...])
                    .initializeMemory(as: UInt8.self, repeating: 0)
            }
            for index in 0..<count {
                let page = PageNumber(UInt32(first + index + 1))
                if page == pageSize.lockPage { continue }
                let slot = UnsafeMutableRawBufferPointer(
                    rebasing: target[index * pageSize.bytes..<(index + 1) * pageSize.bytes]
                )
                if newest[page.rawValue] != nil { read(page, into: slot) }
                checksums[first + index] = PageChecksum.compute(page, UnsafeRawBufferPointer(slot)).rawValue
            }
            first += count
        }
    }
}
