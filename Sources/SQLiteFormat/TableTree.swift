// A table of a database is a b-tree of pages (SQLite file format, 1.6). Each page has a header of 8 bytes, 12 on an interior page, at
// its beginning, on page 1 behind the database header:
//
//   0   1  type: 13 leaf of a table, 5 interior page of a table
//   3   2  number of cells
//   8   4  on an interior page: the right-most child
//
// then two bytes for each cell: where it is in the page. A cell of a leaf is the length of the record, the row ID, and the record; a cell
// of an interior page is the child with the rows up to a row ID, and that row ID. A record (2.1) is a header, which is its own length and
// a type for each column, and the columns. What of a record does not fit its page goes on elsewhere, and is not read here.

/// Reads rows of a table from the pages of a database, as far as that needs no SQL: a few columns of small tables.
///
/// Pages are not trusted: what makes no sense is not there, and a bounded number of them is read.
public struct TableTree {
    /// A column of a row.
    public enum Value: Equatable, Sendable {
        case integer(Int64)
        case text(String)
        /// NULL, a real number, a blob, or what is not on the row's own page.
        case other
    }

    /// A row.
    public struct Row: Equatable, Sendable {
        /// Its row ID.
        public var id: Int64
        /// Its first columns, as many as were asked for.
        public var columns: [Value]

        /// The texts among the columns.
        public var texts: [String] {
            columns.compactMap { if case .text(let text) = $0 { text } else { nil } }
        }
    }

    /// Most pages that are read for one answer.
    private static let pageBound = 1024
    private static let interior: UInt8 = 5
    private static let leaf: UInt8 = 13

    private let pageSize: PageSize
    private let read: (PageNumber, UnsafeMutableRawBufferPointer) -> Void

    /// A reader of a database.
    ///
    /// - Parameters:
    ///   - pageSize: size of its pages.
    ///   - read: fills a buffer with a page.
    public init(pageSize: PageSize, read: @escaping (PageNumber, UnsafeMutableRawBufferPointer) -> Void) {
        self.pageSize = pageSize
        self.read = read
    }

    /// The tables of the database's schema and the first page of each.
    public func tables() -> [String: PageNumber] {
        var tables: [String: PageNumber] = [:]
        // Type, name, name of the table, first page, SQL.
        for row in rows(of: .first, columns: 4) {
            guard row.columns.count == 4, row.columns[0] == .text("table"),
                case .text(let name) = row.columns[1],
                case .integer(let page) = row.columns[3], let number = UInt32(exactly: page), number > 0
            else { continue }
            tables[name] = PageNumber(number)
        }
        return tables
    }

    /// The rows of a small table, in order; those beyond a bound of pages are left out.
    ///
    /// - Parameters:
    ///   - root: first page of the table.
    ///   - columns: how many columns are wanted.
    /// - Returns: the rows.
    public func rows(of root: PageNumber, columns: Int) -> [Row] {
        var rows: [Row] = []
        var waiting = [root]
        var budget = Self.pageBound
        while let page = waiting.popLast(), budget > 0 {
            budget -= 1
            visit(page) { content in
                if content.isLeaf {
                    for cell in 0..<content.count {
                        if let row = content.row(cell, columns: columns) { rows.append(row) }
                    }
                } else {
                    waiting += content.children.reversed()
                }
            }
        }
        return rows
    }

    /// The largest row ID of a table; nil for an empty one, and for what is no table with row IDs.
    public func lastRowID(of root: PageNumber) -> Int64? {
        var page: PageNumber? = root
        var last: Int64?
        var budget = Self.pageBound
        while let next = page, budget > 0 {
            budget -= 1
            page = nil
            visit(next) { content in
                if content.isLeaf {
                    last = content.count > 0 ? content.row(content.count - 1, columns: 0)?.id : nil
                } else {
                    page = content.children.last
                }
            }
        }
        return last
    }

    private func visit(_ page: PageNumber, _ body: (TablePage) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: pageSize.bytes, alignment: 8) { buffer in
            read(page, buffer)
            let start = page == .first ? DatabaseHeader.size : 0
            guard let content = TablePage(UnsafeRawBufferPointer(buffer), start: start) else { return }
            body(content)
        }
    }

    /// A page of a table.
    private struct TablePage {
        let bytes: UnsafeRawBufferPointer
        let isLeaf: Bool
        let count: Int
        private let start: Int
        private let cells: Int

        init?(_ bytes: UnsafeRawBufferPointer, start: Int) {
            let type = bytes[start]
            guard type == TableTree.leaf || type == TableTree.interior else { return nil }
            self.bytes = bytes
            self.start = start
            isLeaf = type == TableTree.leaf
            cells = start + (isLeaf ? 8 : 12)
            count = min(Int(bytes.bigEndian16(at: start + 3)), (bytes.count - cells) / 2)
        }

        private func offset(of cell: Int) -> Int { Int(bytes.bigEndian16(at: cells + 2 * cell)) }

        /// The children of an interior page, in order.
        var children: [PageNumber] {
            var children: [PageNumber] = []
            for cell in 0..<count where offset(of: cell) + 4 <= bytes.count {
                children.append(PageNumber(bytes.bigEndian32(at: offset(of: cell))))
            }
            return (children + [PageNumber(bytes.bigEndian32(at: start + 8))]).filter { $0.rawValue > 0 }
        }

        /// A row of a leaf with its first columns.
        func row(_ cell: Int, columns: Int) -> Row? {
            var cursor = Cursor(bytes, at: offset(of: cell))
            guard cursor.varint() != nil, let id = cursor.varint() else { return nil }
            guard columns > 0 else { return Row(id: Int64(bitPattern: id), columns: []) }
            let header = cursor.offset
            guard let headerSize = cursor.varint(), headerSize < UInt64(bytes.count) else { return nil }
            var body = Cursor(bytes, at: header + Int(headerSize))
            var values: [Value] = []
            while values.count < columns, cursor.offset < header + Int(headerSize), let type = cursor.varint()
            {
                guard let value = body.value(of: type) else { break }
                values.append(value)
            }
            return Row(id: Int64(bitPattern: id), columns: values)
        }
    }

    /// Reads the parts of a cell, none of them beyond the page.
    private struct Cursor {
        private let bytes: UnsafeRawBufferPointer
        private(set) var offset: Int

        init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
            self.bytes = bytes
            self.offset = offset
        }

        /// A number of 1 to 9 bytes: seven bits each, eight of the ninth.
        mutating func varint() -> UInt64? {
            var value: UInt64 = 0
            for index in 0..<9 {
                guard offset < bytes.count else { return nil }
                let byte = bytes[offset]
                offset += 1
                if index == 8 { return value << 8 | UInt64(byte) }
                value = value << 7 | UInt64(byte & 0x7F)
                if byte & 0x80 == 0 { return value }
            }
            return value
        }

        /// A column of a serial type.
        mutating func value(of type: UInt64) -> Value? {
            let sizes = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0]
            let size = type < 10 ? UInt64(sizes[Int(type)]) : type < 12 ? 0 : (type - 12) / 2
            guard size <= UInt64(bytes.count), offset + Int(size) <= bytes.count else { return nil }
            let content = bytes[offset..<offset + Int(size)]
            offset += Int(size)
            switch type {
            case 1...6:
                let isNegative = content.first.map { $0 & 0x80 != 0 } ?? false
                return .integer(content.reduce(isNegative ? -1 : 0) { $0 << 8 | Int64($1) })
            case 8, 9: return .integer(Int64(type) - 8)
            case 13... where type % 2 == 1:
                return String(validating: content, as: UTF8.self).map { .text($0) } ?? .other
            default: return .other
            }
        }
    }
}
