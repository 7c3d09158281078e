import SQLiteFormat

/// Which page may come next in a page block.
///
/// Pages ascend, lie within the database and never are the lock page; a snapshot has all others, from 1 to the
/// last.
struct PageSequence {
    let header: LTXHeader
    private var last = PageNumber(0)

    init(header: LTXHeader) {
        self.header = header
    }

    /// Takes the next page.
    mutating func advance(to page: PageNumber) throws(LTXError) {
        guard page.rawValue != 0, page.rawValue <= header.commit else {
            throw .pageOutOfBounds(page, commit: header.commit)
        }
        guard page != header.pageSize.lockPage else { throw .lockPage(page) }
        guard page > last else { throw .pageOutOfOrder(page, after: last) }
        if header.isSnapshot {
            // No overflow: `last` is below `page`, and behind the lock page there is one more at least.
            var expected = PageNumber(last.rawValue + 1)
            if expected == header.pageSize.lockPage { expected = PageNumber(expected.rawValue + 1) }
            guard page == expected else { throw .gapInSnapshot(page, expected: expected) }
        }
        last = page
    }

    /// Takes the end of the pages.
    func end() throws(LTXError) {
        guard header.isSnapshot else { return }
        var final = header.commit
        if final == header.pageSize.lockPage.rawValue { final -= 1 }
        guard last.rawValue == final else { throw .snapshotEndsEarly(last: last, commit: header.commit) }
    }
}
