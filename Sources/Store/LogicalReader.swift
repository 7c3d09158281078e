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

    /// Checksums of all pages.
    ///
    /// Reads the database file in large pieces.
    func table(pageCount: UInt32) -> PageChecksumTable {
        var checksums = [UInt64](repeating: 0, count: Int(pageCount))
        let perRead = max(1, (1 << 20) / pageSize.bytes)
        let buffer = Buffer(count: perRead * pageSize.bytes)
        var first: UInt32 = 1
        while first <= pageCount {
            let count = min(perRead, Int(pageCount - first) + 1)
            let target = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<(count * pageSize.bytes)])
            let offset = Int64(first - 1) * Int64(pageSize.rawValue)
            let filled = files.database?.lenientRead(target, offset) ?? 0
            if filled < target.count {
                UnsafeMutableRawBufferPointer(rebasing: target[filled...])
                    .initializeMemory(as: UInt8.self, repeating: 0)
            }
            for index in 0..<count {
                let page = PageNumber(first + UInt32(index))
                if page == pageSize.lockPage { continue }
                let slot = UnsafeMutableRawBufferPointer(
                    rebasing: target[index * pageSize.bytes..<(index + 1) * pageSize.bytes]
                )
                if newest[page.rawValue] != nil { read(page, into: slot) }
                checksums[Int(page.rawValue) - 1] =
                    PageChecksum.compute(page, UnsafeRawBufferPointer(slot)).rawValue
            }
            first += UInt32(count)
        }
        return PageChecksumTable(pageSize: pageSize, checksums: checksums)
    }
}
