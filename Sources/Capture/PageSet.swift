import SQLiteFormat

/// A set of page numbers, one bit a page.
public struct PageSet: Sendable {
    private var words: [UInt64] = []
    /// Pages in the set.
    public private(set) var count = 0

    /// The empty set.
    public init() {}

    /// Whether no page is in it.
    public var isEmpty: Bool { count == 0 }

    /// Adds a page.
    ///
    /// Page numbers are counted from 1.
    public mutating func insert(_ page: PageNumber) {
        guard page.rawValue > 0 else { return }
        let (word, bit) = Self.place(page.rawValue)
        if word >= words.count { words.append(contentsOf: repeatElement(0, count: word + 1 - words.count)) }
        if words[word] & bit == 0 {
            words[word] |= bit
            count += 1
        }
    }

    /// Adds all pages of a range.
    public mutating func insert(_ pages: ClosedRange<UInt32>) {
        for page in pages { insert(PageNumber(page)) }
    }

    /// Removes a page.
    public mutating func remove(_ page: PageNumber) {
        guard contains(page) else { return }
        let (word, bit) = Self.place(page.rawValue)
        words[word] &= ~bit
        count -= 1
    }

    /// Whether a page is in the set.
    public func contains(_ page: PageNumber) -> Bool {
        guard page.rawValue > 0 else { return false }
        let (word, bit) = Self.place(page.rawValue)
        return word < words.count && words[word] & bit != 0
    }

    /// Empties the set; keeps its memory when it is small.
    public mutating func removeAll() {
        if words.count > 4096 {
            words = []
        } else if count > 0 {
            for index in words.indices { words[index] = 0 }
        }
        count = 0
    }

    /// Adds all pages of another set.
    public mutating func formUnion(_ other: PageSet) {
        if other.words.count > words.count {
            words.append(contentsOf: repeatElement(0, count: other.words.count - words.count))
        }
        count = 0
        for index in words.indices {
            if index < other.words.count { words[index] |= other.words[index] }
            count += words[index].nonzeroBitCount
        }
    }

    /// Calls `body` for each page, in ascending order.
    public func forEach<Failure: Error>(_ body: (PageNumber) throws(Failure) -> Void) throws(Failure) {
        guard count > 0 else { return }
        for (index, word) in words.enumerated() where word != 0 {
            var rest = word
            while rest != 0 {
                try body(PageNumber(UInt32(index * 64 + rest.trailingZeroBitCount + 1)))
                rest &= rest - 1
            }
        }
    }

    private static func place(_ page: UInt32) -> (word: Int, bit: UInt64) {
        (Int((page - 1) >> 6), 1 << UInt64((page - 1) & 63))
    }
}
