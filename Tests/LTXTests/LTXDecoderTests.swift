import CLZ4
import LTX
import SQLiteFormat
import Testing

@Suite("Decoder")
struct LTXDecoderTests {
    /// Small files of all kinds: raw, compressed, snapshot, increment, deletion.
    static func smallFiles() throws -> [[UInt8]] {
        var random = RandomSource(seed: 11)
        var files: [[UInt8]] = []
        for isCompressed in [true, false] {
            for txid: UInt64 in [1, 2] {
                let file = LTXFile.random(
                    &random,
                    pageSize: pageSize(512),
                    txid: txid,
                    pageCount: 2,
                    isCompressed: isCompressed
                )
                files.append(try file.encoded())
            }
            let header = LTXEncoderTests.header(txid: 5, commit: 0, isCompressed: isCompressed)
            files.append(try LTXFile(header: header).encoded())
        }
        return files
    }

    static func error(_ bytes: [UInt8]) -> LTXError? {
        do {
            _ = try LTXFile.decoded(bytes)
            return nil
        } catch {
            return error as? LTXError
        }
    }

    /// The file of these parts, with the checksum that belongs to them; raw.
    static func forged(_ header: LTXHeader, pages: [UInt32], postApply: Checksum = .empty) -> [UInt8] {
        var bytes = LTXHeaderTests.encoded(header)
        for number in pages + [0] {
            bytes += withUnsafeBytes(of: number.bigEndian, Array.init)
            if number != 0 { bytes += [UInt8](repeating: 7, count: header.pageSize.bytes) }
        }
        bytes += withUnsafeBytes(of: postApply.rawValue.bigEndian, Array.init)
        let crc = CRC64Tests.definition(0, bytes) | Checksum.flag
        return bytes + withUnsafeBytes(of: crc.bigEndian, Array.init)
    }

    @Test("A file that ends at any byte before its end is incomplete")
    func truncation() throws {
        let decoder = LTXDecoder()
        for bytes in try Self.smallFiles() {
            for count in 0..<bytes.count {
                #expect(throws: LTXError.truncated(offset: UInt64(count))) {
                    try LTXFile.decoded(Array(bytes[..<count]), by: decoder)
                }
                #expect(!decoder.isComplete)
            }
        }
    }

    /// LZ4 can say the same in several ways, so a bit in a frame may change nothing: a match, for example,
    /// that is copied from another place where the same bytes are.
    @Test("With any single bit changed a file is refused, or its frame still has the same content")
    func bitFlips() throws {
        let decoder = LTXDecoder()
        for var bytes in try Self.smallFiles() {
            let file = try LTXFile.decoded(bytes)
            let frame = LTXHeader.byteCount..<(bytes.count - LTXTrailer.byteCount)
            for index in bytes.indices {
                for bit in 0..<8 {
                    bytes[index] ^= 1 << bit
                    let decoded = try? LTXFile.decoded(bytes, by: decoder)
                    let isSame = file.header.isCompressed && frame.contains(index) && decoded == file
                    #expect(decoded == nil || isSame, "byte \(index), bit \(bit)")
                    bytes[index] ^= 1 << bit
                }
            }
        }
    }

    @Test("Bytes behind the trailer are refused, in the same piece or a later one")
    func extraBytes() throws {
        for bytes in try Self.smallFiles() {
            #expect(Self.error(bytes + [0]) == .bytesAfterTrailer(offset: UInt64(bytes.count)))
            #expect(throws: LTXError.bytesAfterTrailer(offset: UInt64(bytes.count))) {
                try LTXFile.decoded(bytes + [1, 2, 3]) { 1 }
            }
        }
    }

    @Test("Pages out of order, out of bounds or missing are refused even under a right checksum")
    func pageOrder() {
        let increment = LTXEncoderTests.header(txid: 2, commit: 9, isCompressed: false)
        let snapshot = LTXEncoderTests.header(txid: 1, commit: 3, isCompressed: false)
        let lockPage = pageSize(512).lockPage
        var large = increment
        large.commit = .max
        #expect(Self.error(Self.forged(increment, pages: [2, 5])) == nil)
        #expect(
            Self.error(Self.forged(increment, pages: [5, 2]))
                == .pageOutOfOrder(PageNumber(2), after: PageNumber(5))
        )
        #expect(
            Self.error(Self.forged(increment, pages: [5, 5]))
                == .pageOutOfOrder(PageNumber(5), after: PageNumber(5))
        )
        #expect(
            Self.error(Self.forged(increment, pages: [10])) == .pageOutOfBounds(PageNumber(10), commit: 9)
        )
        #expect(Self.error(Self.forged(large, pages: [lockPage.rawValue])) == .lockPage(lockPage))
        #expect(
            Self.error(Self.forged(snapshot, pages: [1, 3]))
                == .gapInSnapshot(PageNumber(3), expected: PageNumber(2))
        )
        #expect(
            Self.error(Self.forged(snapshot, pages: [1, 2]))
                == .snapshotEndsEarly(last: PageNumber(2), commit: 3)
        )
    }

    @Test("Post-apply checksums that cannot be are refused even under a right file checksum")
    func postApply() {
        let increment = LTXEncoderTests.header(txid: 2, commit: 9, isCompressed: false)
        let deletion = LTXEncoderTests.header(txid: 2, commit: 0, isCompressed: false)
        let snapshot = LTXEncoderTests.header(txid: 1, commit: 1, isCompressed: false)
        let some = Checksum(rawValue: Checksum.flag | 5)
        let page = pageChecksum(.first, [UInt8](repeating: 7, count: 512))
        #expect(
            Self.error(Self.forged(increment, pages: [], postApply: .zero)) == .postApplyWithoutFlag(.zero)
        )
        #expect(
            Self.error(Self.forged(deletion, pages: [], postApply: some)) == .postApplyOfNothing(some)
        )
        #expect(Self.error(Self.forged(snapshot, pages: [1], postApply: page)) == nil)
        #expect(
            Self.error(Self.forged(snapshot, pages: [1], postApply: some))
                == .snapshotChecksumMismatch(postApply: some, computed: page)
        )
    }

    @Test("Calls without a beginning, or after an error, are refused")
    func callsOutOfOrder() throws {
        let decoder = LTXDecoder()
        let bytes = try Self.smallFiles()[0]
        #expect(throws: LTXError.notBegun) { try decoder.finish() }
        #expect(throws: LTXError.notBegun) { try bytes.withUnsafeBytes { try decoder.feed($0) { _ in } } }
        decoder.begin()
        #expect(throws: LTXError.badMagic(0)) {
            try [UInt8](repeating: 0, count: 200).withUnsafeBytes { try decoder.feed($0) { _ in } }
        }
        #expect(throws: LTXError.notBegun) { try bytes.withUnsafeBytes { try decoder.feed($0) { _ in } } }
        #expect(throws: LTXError.notBegun) { try decoder.finish() }
        try bytes.withUnsafeBytes { try decoder.decode(allOf: $0) { _ in } }
        #expect(decoder.isComplete)
    }

    @Test("What the handler throws comes out, and the file is given up")
    func handlerErrors() throws {
        struct Refusal: Error {}
        let decoder = LTXDecoder()
        for bytes in try Self.smallFiles() {
            #expect(throws: Refusal.self) {
                try bytes.withUnsafeBytes { try decoder.decode(allOf: $0) { _ in throw Refusal() } }
            }
            #expect(throws: LTXError.notBegun) { try decoder.finish() }
            _ = try LTXFile.decoded(bytes, by: decoder)
        }
    }
}
