import LTX
import SQLiteFormat
import Testing

@testable import Replication

@Suite("PageComparison")
struct PageComparisonTests {
    private var pageSize: PageSize {
        guard let size = PageSize(4096) else { preconditionFailure("4096 is a page size") }
        return size
    }

    private func table(_ count: Int, _ random: inout RandomSource) -> [UInt64] {
        (0..<count).map { _ in UInt64.random(in: 0 ... .max, using: &random) | Checksum.flag }
    }

    private func describe(
        _ comparison: inout PageComparison,
        _ blocks: [UInt32],
        _ checksums: [UInt64]
    ) throws {
        let isShort = comparison.describe(blocks, of: checksums)
        try #require(isShort)
    }

    /// What the two ends say to each other, through the wire's bytes.
    private func exchange(
        _ theirs: [UInt64],
        _ ours: [UInt64]
    ) throws -> (pages: [ClosedRange<UInt32>], described: Int) {
        var comparison = PageComparison(pageSize: pageSize, checksums: theirs)
        let first = try PageComparison(decoding: comparison.encoded())
            .difference(to: ours, lockPage: pageSize.lockPage)
        guard !first.unknown.isEmpty else { return (first.pages, 0) }
        let blocks = try PageComparison.blocks(decoding: PageComparison.encoded(first.unknown))
        #expect(blocks == first.unknown)
        try describe(&comparison, blocks, theirs)
        let second = try PageComparison(decoding: comparison.encoded())
            .difference(to: ours, lockPage: pageSize.lockPage)
        #expect(second.unknown.isEmpty)
        return (second.pages, blocks.count)
    }

    @Test(arguments: [
        (0, 1), (1, 1), (1023, 1024), (1024, 1024), (5000, 5000), (5000, 3), (3, 5000), (2048, 2049),
    ])
    func `names exactly the pages that differ`(theirCount: Int, ourCount: Int) throws {
        var random = RandomSource(seed: UInt64(theirCount * 10_000 + ourCount))
        for changes in [0, 1, 7, 600] {
            let theirs = table(theirCount, &random)
            var ours = Array(theirs.prefix(ourCount))
            ours += table(ourCount - ours.count, &random)
            var changed: Set<Int> = Set(min(theirCount, ourCount)..<ourCount)
            for _ in 0..<changes {
                let place = Int.random(in: 0..<ourCount, using: &random)
                ours[place] ^= UInt64.random(in: 1..<1 << 62, using: &random)
                changed.insert(place)
            }
            let (pages, described) = try exchange(theirs, ours)
            #expect(Set(pages.flatMap { $0.map { Int($0) - 1 } }) == changed)
            #expect(zip(pages, pages.dropFirst()).allSatisfy { $0.upperBound + 1 < $1.lowerBound })
            #expect(described <= changed.count + 1)
        }
    }

    /// CRCs are linear: the XOR of the checksums of a block would be the same before and after.
    @Test func `sees changes that are the same on several pages`() throws {
        func page(_ number: UInt32, _ flag: UInt8) -> UInt64 {
            var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 4096)
            bytes[100] ^= flag
            return bytes.withUnsafeBytes { PageChecksum.compute(PageNumber(number), $0).rawValue }
        }
        let theirs = (1...2048).map { page($0, 0) }
        let ours = (1...2048).map { page($0, [7, 9].contains($0) ? 1 : 0) }
        #expect(theirs.reduce(0, ^) == ours.reduce(0, ^))
        #expect(try exchange(theirs, ours).pages == [7...7, 9...9])
        let all = (1...2048).map { page($0, 1) }
        #expect(try exchange(theirs, all).pages == [1...2048])
        #expect(try exchange(theirs, theirs).pages.isEmpty)
    }

    @Test func `tells the database checksum of the content it describes`() {
        var random = RandomSource(seed: 5)
        let checksums = table(3000, &random)
        let whole = Checksum(rawValue: checksums.reduce(0, ^) | Checksum.flag)
        #expect(PageComparison(pageSize: pageSize, checksums: checksums).databaseChecksum == whole)
        #expect(PageComparison(pageSize: pageSize, checksums: []).databaseChecksum == .empty)
    }

    /// Between the two questions transactions go on: what is not described then comes whole.
    @Test func `takes whole blocks where it was asked too early`() throws {
        var random = RandomSource(seed: 6)
        let theirs = table(4096, &random)
        var ours = theirs
        ours[100] ^= 1
        var comparison = PageComparison(pageSize: pageSize, checksums: theirs)
        #expect(comparison.difference(to: ours, lockPage: pageSize.lockPage).unknown == [0])
        try describe(&comparison, [0], theirs)
        ours[2048] ^= 1
        let (pages, unknown) = comparison.difference(to: ours, lockPage: pageSize.lockPage)
        #expect(unknown.isEmpty && pages == [101...101, 2049...3072])
    }

    @Test func `leaves the lock page out`() throws {
        let size = try #require(PageSize(65_536))
        let lock = Int(size.lockPage.rawValue)
        let theirs = [UInt64](repeating: 1, count: lock + 1)
        let pages = PageComparison(pageSize: size, checksums: [])
            .difference(to: theirs, lockPage: size.lockPage).pages
        #expect(pages == [1...UInt32(lock - 1), UInt32(lock + 1)...UInt32(lock + 1)])
    }

    @Test func `is refused when it is none, with what is wrong`() throws {
        var random = RandomSource(seed: 7)
        var comparison = PageComparison(pageSize: pageSize, checksums: table(1500, &random))
        try describe(&comparison, [1], table(1500, &random))
        let bytes = comparison.encoded()
        #expect(try PageComparison(decoding: bytes) == comparison)
        // At the end of the digests, and where a described block ends, it is one; elsewhere not.
        for count in 0..<bytes.count where count != 24 + 2 * 8 {
            #expect(throws: (any Error).self) { try PageComparison(decoding: Array(bytes[..<count])) }
        }
        func changed(_ offset: Int, _ byte: UInt8) -> [UInt8] {
            var copy = bytes
            copy[offset] = byte
            return copy
        }
        #expect(throws: PageComparisonError.noComparison) { try PageComparison(decoding: changed(0, 0)) }
        #expect(throws: PageComparisonError.invalidMode(2)) { try PageComparison(decoding: changed(7, 2)) }
        #expect(throws: PageComparisonError.invalidPageSize(4097)) {
            try PageComparison(decoding: changed(11, 1))
        }
        #expect(throws: PageComparisonError.truncated) { try PageComparison(decoding: changed(12, 0xFF)) }
        #expect(throws: PageComparisonError.invalidBlock(2)) { try PageComparison(decoding: changed(43, 2)) }
        #expect(throws: PageComparisonError.truncated) { try PageComparison(decoding: bytes + [0]) }
        #expect(throws: PageComparisonError.self) {
            try PageComparison.blocks(decoding: [0, 0, 0, 0, 0xFF, 0, 0, 0, 1])
        }
        #expect(throws: PageComparisonError.tooLong(byteCount: (16 << 20) + 1)) {
            try PageComparison(decoding: [UInt8](repeating: 0, count: (16 << 20) + 1))
        }
    }

    @Test func `is not sent when it would be longer than the primary takes`() throws {
        let checksums = [UInt64](repeating: 1, count: 3 << 20)
        var comparison = PageComparison(pageSize: pageSize, checksums: checksums)
        #expect(comparison.encoded().count < 30_000)
        let isShort = comparison.describe(Array(0..<3072), of: checksums)
        #expect(!isShort)
    }
}
