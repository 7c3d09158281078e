import Capture
import LTX
import SQLiteFormat

/// Changes to a page checksum table that are not made yet.
///
/// It keeps no copy of the table: a second reference would make the table copy itself, all of it, when the changes are made.
/// The table is handed to each call and must not change in between.
struct TableDraft {
    private let pageSize: PageSize
    private let isRebuilt: Bool
    private var changes: [(page: PageNumber, checksum: Checksum)] = []
    private var pageCount: UInt32
    /// Database checksum with the changes made.
    private(set) var databaseChecksum: Checksum

    /// No changes.
    ///
    /// - Parameters:
    ///   - table: what would be changed.
    ///   - pageSize: size of the pages now.
    ///   - isRebuilt: whether nothing of the table remains, because the page size is another one.
    init(_ table: borrowing PageChecksumTable, pageSize: PageSize, isRebuilt: Bool) {
        self.pageSize = pageSize
        self.isRebuilt = isRebuilt
        databaseChecksum = isRebuilt ? .empty : table.databaseChecksum
        pageCount = isRebuilt ? 0 : table.pageCount
    }

    /// Notes a page's checksum; false when it is what the table has.
    mutating func change(_ page: PageNumber, to new: Checksum, in table: borrowing PageChecksumTable) -> Bool
    {
        let old = isRebuilt ? nil : table[page]
        if old == new { return false }
        if let old { databaseChecksum.toggle(old) }
        databaseChecksum.toggle(new)
        changes.append((page, new))
        return true
    }

    /// How many pages a database of `count` pages has that neither the table nor a change knows.
    func missingPages(below count: UInt32, in table: borrowing PageChecksumTable) -> Int {
        let known = isRebuilt ? 0 : table.pageCount
        guard count > known else { return 0 }
        var brought = 0
        for change in changes where change.page.rawValue > known && change.page.rawValue <= count {
            brought += 1
        }
        return Int(count - known) - brought
    }

    /// Drops the pages beyond the new size.
    mutating func resize(to count: UInt32, in table: borrowing PageChecksumTable) {
        if !isRebuilt, count < table.pageCount {
            for number in count + 1...table.pageCount {
                if let old = table[PageNumber(number)] { databaseChecksum.toggle(old) }
            }
        }
        pageCount = count
    }

    /// Makes the changes.
    func apply(to table: inout PageChecksumTable) {
        if isRebuilt { table = PageChecksumTable(pageSize: pageSize) }
        for (page, checksum) in changes where page.rawValue <= pageCount { table.set(page, checksum) }
        table.resize(to: pageCount)
    }
}
