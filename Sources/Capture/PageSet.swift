import SQLiteFormat

/// A set of page numbers.
///
/// One bit a page, in words of 64 pages; words without a page take no room. All costs are those of the pages in
/// the set, whatever the size of the database.
public struct PageSet: Sendable {
    /// Pages `64 * key + 1` to `64 * key + 64`; no value is 0.
    private var words: [UInt32: UInt64] = [:]
    /// Pages in the set.
    public private(set) var count = 0

    /// The empty set.
    public init() {}

    /// The pages of a list.
    public init(_ pages: some Sequence<UInt32>) {
        for page in pages { insert(PageNumber(page)) }
    }

    /// Whether no page is in it.
    public var isEmpty: Bool { count == 0 }

    /// Adds a page.
    ///
    /// Page numbers are counted from 1; 0 is ignored.
    public mutating func insert(_ page: PageNumber) {
        guard page.rawValue > 0 else { return }
        let (word, bit) = Self.place(page.rawValue)
        add(1 << bit, to: word)
    }

    /// Adds all pages of a range.
    ///
    /// Takes time and room for each 64 pages of it: bound what comes from outside.
    public mutating func insert(_ pages: ClosedRange<UInt32>) {
        guard pages.upperBound > 0 else { return }
        let first = Self.place(max(pages.lowerBound, 1))
        let last = Self.place(pages.upperBound)
        for word in first.word...last.word {
            var bits = UInt64.max
            if word == first.word { bits &= .max << first.bit }
            if word == last.word { bits &= .max >> (63 - last.bit) }
            add(bits, to: word)
        }
    }

    /// Removes a page.
    public mutating func remove(_ page: PageNumber) {
        guard contains(page) else { return }
        let (word, bit) = Self.place(page.rawValue)
        let rest = words[word, default: 0] & ~(1 << bit)
        words[word] = rest == 0 ? nil : rest
        count -= 1
    }

    /// Removes the pages above one.
    public mutating func remove(above page: UInt32) {
        guard count > 0 else { return }
        var above: [PageNumber] = []
        visitPages { if $0.rawValue > page { above.append($0) } }
        for page in above { remove(page) }
    }

    /// Whether a page is in the set.
    public func contains(_ page: PageNumber) -> Bool {
        guard page.rawValue > 0 else { return false }
        let (word, bit) = Self.place(page.rawValue)
        return words[word, default: 0] & (1 << bit) != 0
    }

    /// Empties the set; keeps its memory when it is small.
    public mutating func removeAll() {
        guard count > 0 else { return }
        words.removeAll(keepingCapacity: words.capacity <= 256)
        count = 0
    }

    /// Adds all pages of another set.
    public mutating func formUnion(_ other: PageSet) {
        if isEmpty {
            self = other
        } else {
            for (word, bits) in other.words { add(bits, to: word) }
        }
    }

    /// Keeps only the pages that are in another set, too.
    public mutating func formIntersection(_ other: PageSet) {
        var both = PageSet()
        visitPages { if other.contains($0) { both.insert($0) } }
        self = both
    }

    /// Calls `body` for each page, in ascending order.
    public func visitPages<Failure: Error>(_ body: (PageNumber) throws(Failure) -> Void) throws(Failure) {
        for word in words.keys.sorted() {
            var rest = words[word, default: 0]
            while rest != 0 {
                try body(PageNumber(word * 64 + UInt32(rest.trailingZeroBitCount) + 1))
                rest &= rest - 1
            }
        }
    }

    private mutating func add(_ bits: UInt64, to word: UInt32) {
        let old = words[word, default: 0]
        let new = old | bits
        if new == old { return }
        words[word] = new
        count += new.nonzeroBitCount - old.nonzeroBitCount
    }

    private static func place(_ page: UInt32) -> (word: UInt32, bit: UInt64) {
        ((page - 1) >> 6, UInt64((page - 1) & 63))
    }
}
