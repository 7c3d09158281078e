import LTX
import POSIX
import SQLiteFormat

// Body of POST /difference; integers are big-endian.
//
//     size  field
//        4  magic "LFPC"
//        4  1 if blocks that differ and are not described may come whole, 0 if the answer shall name them
//        4  page size
//        4  number of pages n
//        8  checksum of the database
//     for each block of 1024 pages, the last may be shorter:
//        8  digest of the checksums of its pages
//     for each block that is described, in ascending order:
//        4  number of the block, from 0
//        8  checksum of each of its pages; 0 where none is known
//
// The answer begins with 4 bytes: 0 and a list follows, 4 bytes for the number of blocks that must be described and 4 for each of
// them; or 1 and an LTX file follows, to the end.

/// What a replica's database consists of, so that a primary can tell which pages differ.
///
/// Equal ranges cost 8 bytes for 4 MiB of data (at 4096 bytes a page); a block that differs costs 8 bytes a page once.
public struct PageComparison: Equatable, Sendable {
    /// Pages of a block.
    public static let blockPages = 1024
    /// The longest encoded comparison, in bytes; as much as the server takes.
    public static let maximumByteCount = 16 << 20

    static let magic: UInt32 = 0x4C46_5043

    /// What the first bytes of an answer say.
    enum Answer: UInt32 {
        /// A list of blocks follows.
        case blocks = 0
        /// An LTX file follows.
        case transaction = 1
    }

    /// Size of a page.
    public let pageSize: PageSize
    /// Pages of the database.
    public let pageCount: UInt32
    /// The checksum of the database: what the answer applies to.
    public let databaseChecksum: Checksum
    /// A digest of the page checksums of each block.
    ///
    /// Not their XOR: CRCs are linear, so two pages that changed in the same way at the same place would cancel out.
    public let digests: [UInt64]
    /// The checksums of the pages of some blocks, by number of the block.
    public private(set) var described: [UInt32: ArraySlice<UInt64>] = [:]
    /// Whether a block that differs and is not described may come whole.
    public private(set) var acceptsWholeBlocks = false

    /// A comparison of a database with these page checksums, page 1 at index 0.
    public init(pageSize: PageSize, checksums: [UInt64]) {
        self.pageSize = pageSize
        let count = UInt32(checksums.count)
        pageCount = count
        databaseChecksum = Checksum(rawValue: checksums.reduce(0, ^) | Checksum.flag)
        digests = (0..<Self.blockCount(count)).map { Self.digest(checksums[Self.pages(of: $0, count)]) }
    }

    /// Adds the checksums of some blocks.
    ///
    /// - Returns: false when that would be more than can be sent.
    mutating func describe(_ blocks: [UInt32], of checksums: [UInt64]) -> Bool {
        precondition(checksums.count == Int(pageCount), "the checksums that it was made of")
        for block in blocks where block < digests.count {
            described[block] = checksums[Self.pages(of: block, pageCount)]
        }
        acceptsWholeBlocks = true
        return encodedByteCount <= Self.maximumByteCount
    }

    /// A digest that changes when any checksum does, whatever the others do: a chain of multiplications and shifts, as the finalizer of
    /// SplitMix64 has them, over checksum and place.
    static func digest(_ checksums: ArraySlice<UInt64>) -> UInt64 {
        var digest: UInt64 = UInt64(checksums.count)
        for checksum in checksums {
            var value = (digest ^ checksum) &+ 0x9E37_79B9_7F4A_7C15
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            digest = value ^ (value >> 31)
        }
        return digest
    }

    // MARK: - Comparing

    /// Compares with the database that has these page checksums.
    ///
    /// - Returns: the pages that differ, and the blocks that differ without being described; their pages are among those that
    ///   differ when whole blocks are accepted.
    func difference(
        to checksums: [UInt64],
        lockPage: PageNumber
    ) -> (pages: [ClosedRange<UInt32>], unknown: [UInt32]) {
        var runs: [ClosedRange<UInt32>] = []
        var unknown: [UInt32] = []
        func add(_ page: UInt32) {
            guard page != lockPage.rawValue else { return }
            if let last = runs.last, last.upperBound + 1 == page {
                runs[runs.count - 1] = last.lowerBound...page
            } else {
                runs.append(page...page)
            }
        }
        let count = UInt32(checksums.count)
        for block in 0..<Self.blockCount(count) {
            let places = Self.pages(of: block, count)
            if Int(block) < digests.count, Self.digest(checksums[places]) == digests[Int(block)] { continue }
            guard Int(block) >= digests.count || described[block] != nil || acceptsWholeBlocks else {
                unknown.append(block)
                continue
            }
            let known = described[block] ?? []
            for place in places {
                let theirs = known.startIndex + (place - places.lowerBound)
                if theirs < known.endIndex, known[theirs] == checksums[place] { continue }
                add(UInt32(place) + 1)
            }
        }
        return (runs, unknown)
    }

    static func blockCount(_ pageCount: UInt32) -> UInt32 {
        pageCount / UInt32(blockPages) + (pageCount % UInt32(blockPages) > 0 ? 1 : 0)
    }

    /// Indices of the pages of a block among `pageCount` checksums.
    static func pages(of block: UInt32, _ pageCount: UInt32) -> Range<Int> {
        let first = Int(block) * blockPages
        return first..<min(first + blockPages, Int(pageCount))
    }

    // MARK: - Wire

    private static let fixedByteCount = 24

    private var encodedByteCount: Int {
        Self.fixedByteCount + digests.count * 8 + described.values.reduce(0) { $0 + 4 + $1.count * 8 }
    }

    /// The request body.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(encodedByteCount)
        bytes.appendBigEndian(Self.magic)
        bytes.appendBigEndian(UInt32(acceptsWholeBlocks ? 1 : 0))
        bytes.appendBigEndian(pageSize.rawValue)
        bytes.appendBigEndian(pageCount)
        bytes.appendBigEndian(databaseChecksum.rawValue)
        for digest in digests { bytes.appendBigEndian(digest) }
        for (block, checksums) in described.sorted(by: { $0.key < $1.key }) {
            bytes.appendBigEndian(block)
            for checksum in checksums { bytes.appendBigEndian(checksum) }
        }
        return bytes
    }

    /// Decodes a whole request body.
    ///
    /// Memory is reserved only for what was really sent.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(PageComparisonError) {
        guard bytes.count <= Self.maximumByteCount else { throw .tooLong(byteCount: bytes.count) }
        var reader = WireReader(bytes)
        guard try reader.next(UInt32.self) == Self.magic else { throw .noComparison }
        let mode = try reader.next(UInt32.self)
        guard mode <= 1 else { throw .invalidMode(mode) }
        let size = try reader.next(UInt32.self)
        guard let pageSize = PageSize(size) else { throw .invalidPageSize(size) }
        self.pageSize = pageSize
        acceptsWholeBlocks = mode == 1
        pageCount = try reader.next(UInt32.self)
        databaseChecksum = Checksum(rawValue: try reader.next(UInt64.self))
        let blocks = Self.blockCount(pageCount)
        digests = try reader.next(UInt64.self, count: Int(blocks))
        var previous: UInt32?
        while !reader.isAtEnd {
            let block = try reader.next(UInt32.self)
            guard block < blocks, previous.map({ $0 < block }) ?? true else { throw .invalidBlock(block) }
            described[block] =
                try reader.next(UInt64.self, count: Self.pages(of: block, pageCount).count)[...]
            previous = block
        }
    }

    /// Decodes a whole request body.
    public init(decoding bytes: [UInt8]) throws(PageComparisonError) {
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(PageComparisonError) in try PageComparison(decoding: buffer) }
        }
        self = try result.get()
    }

    /// The list of blocks in a whole answer.
    static func blocks(decoding bytes: [UInt8]) throws(PageComparisonError) -> [UInt32] {
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(PageComparisonError) in try blocks(decoding: buffer) }
        }
        return try result.get()
    }

    private static func blocks(decoding bytes: UnsafeRawBufferPointer) throws(PageComparisonError) -> [UInt32]
    {
        var reader = WireReader(bytes)
        guard try reader.next(UInt32.self) == Answer.blocks.rawValue else { throw .noComparison }
        let count = try reader.next(UInt32.self)
        let blocks = try reader.next(UInt32.self, count: Int(count))
        guard reader.isAtEnd else { throw .bytesAfterEnd }
        return blocks
    }

    /// The list of blocks that must be described, as an answer.
    static func encoded(_ blocks: [UInt32]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(Answer.blocks.rawValue)
        bytes.appendBigEndian(UInt32(blocks.count))
        for block in blocks { bytes.appendBigEndian(block) }
        return bytes
    }
}

/// Why bytes are no comparison.
public enum PageComparisonError: Error, Equatable, CustomStringConvertible {
    /// Longer than a comparison may be.
    case tooLong(byteCount: Int)
    /// Something else.
    case noComparison
    /// The second field is neither 0 nor 1.
    case invalidMode(UInt32)
    /// Not a page size.
    case invalidPageSize(UInt32)
    /// A block that does not exist, or not in ascending order.
    case invalidBlock(UInt32)
    /// It ends in the middle of a field.
    case truncated
    /// Something follows.
    case bytesAfterEnd

    /// What is wrong.
    public var description: String {
        switch self {
        case .tooLong(let count):
            "a comparison of \(count) bytes, at most \(PageComparison.maximumByteCount) are taken"
        case .noComparison:
            "what was sent is no comparison of pages: a request begins with \"LFPC\", an answer with 0 or 1"
        case .invalidMode(let mode): "comparison with mode \(mode), known are 0 and 1"
        case .invalidPageSize(let size): "comparison with page size \(size), which is none of SQLite's"
        case .invalidBlock(let block):
            "comparison with block \(block) that does not exist, or comes twice or too late"
        case .truncated: "the comparison ends in the middle of a field"
        case .bytesAfterEnd: "something follows the list of blocks"
        }
    }
}

extension WireReader {
    fileprivate mutating func next<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type
    ) throws(PageComparisonError) -> Value {
        guard let value = integer(type) else { throw .truncated }
        return value
    }

    fileprivate mutating func next<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type,
        count: Int
    ) throws(PageComparisonError) -> [Value] {
        guard let values = integers(type, count: count) else { throw .truncated }
        return values
    }
}
