import POSIX
import SQLiteFormat

/// The pages as they were before the transaction whose journal is in force: what SQLite would copy back to roll it back.
///
/// It reads a journal that a program may be working with, and checks nothing: whoever uses the pages verifies the checksum that the
/// database has with them.
struct JournalOriginals {
    /// Size of the database in pages before the transaction.
    let pageCount: UInt32
    let pageSize: PageSize
    /// Where the first copy of each page is in the journal.
    let offsets: [UInt32: Int64]
    private let journal: BackingFile

    /// Finds the pages; nil when there is no sound header.
    init?(_ journal: BackingFile) {
        guard let first = Self.header(of: journal, at: 0), let size = try? journal.size() else { return nil }
        self.journal = journal
        pageCount = first.originalPageCount
        pageSize = first.pageSize
        let sector = Int64(first.sectorSize)
        let recordSize = Int64(first.pageSize.bytes) + 8
        var offsets: [UInt32: Int64] = [:]
        var header: JournalHeader? = first
        var offset: Int64 = 0
        while let segment = header {
            offset += sector
            var rest = segment.recordCount ?? .max
            while rest > 0, offset + recordSize <= size {
                let page = Self.word(of: journal, at: offset)
                if page == 0 { break }
                if offsets[page] == nil { offsets[page] = offset + 4 }
                offset += recordSize
                rest -= 1
            }
            offset = (offset + sector - 1) / sector * sector
            header = offset < size ? Self.header(of: journal, at: offset) : nil
        }
        self.offsets = offsets
    }

    /// Reads a page that the journal has; false for others.
    func read(_ page: PageNumber, into buffer: UnsafeMutableRawBufferPointer) -> Bool {
        guard let offset = offsets[page.rawValue] else { return false }
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<pageSize.bytes])
        return journal.lenientRead(target, offset) == target.count
    }

    private static func header(of journal: BackingFile, at offset: Int64) -> JournalHeader? {
        withUnsafeTemporaryAllocation(byteCount: JournalHeader.size, alignment: 8) { bytes in
            guard journal.lenientRead(bytes, offset) == bytes.count else { return nil }
            return try? JournalHeader(UnsafeRawBufferPointer(bytes))
        }
    }

    private static func word(of journal: BackingFile, at offset: Int64) -> UInt32 {
        withUnsafeTemporaryAllocation(byteCount: 4, alignment: 4) { bytes in
            guard journal.lenientRead(bytes, offset) == 4 else { return 0 }
            return UInt32(bigEndian: bytes.load(as: UInt32.self))
        }
    }
}
