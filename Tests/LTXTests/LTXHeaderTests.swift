import LTX
import SQLiteFormat
import Testing

@Suite("Header")
struct LTXHeaderTests {
    static let header = LTXHeader(
        isCompressed: false,
        pageSize: pageSize(4096),
        commit: 10,
        minTXID: TXID(0xD),
        maxTXID: TXID(0xE),
        timestampMilliseconds: 0x0102_0304_0506,
        preApply: Checksum(rawValue: 0x9C74_A15B_4E4F_246C),
        walOffset: 0x20,
        walSize: 0x1018,
        walSalt1: 0x1122_3344,
        walSalt2: 0x5566_7788,
        nodeID: 0xA1A2_A3A4_A5A6_A7A8
    )

    static func encoded(_ header: LTXHeader) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xFF, count: LTXHeader.byteCount)
        bytes.withUnsafeMutableBytes { header.encode(into: $0) }
        return bytes
    }

    static func error(decoding bytes: [UInt8]) -> LTXError? {
        bytes.withUnsafeBytes { bytes -> LTXError? in
            do {
                _ = try LTXHeader(decoding: bytes)
                return nil
            } catch {
                return error as? LTXError
            }
        }
    }

    static func error(changing change: (inout LTXHeader) -> Void) -> LTXError? {
        var header = header
        change(&header)
        return error(decoding: encoded(header))
    }

    static func error(setting offset: Int, to bytes: [UInt8]) -> LTXError? {
        var header = encoded(header)
        header.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        return error(decoding: header)
    }

    @Test("Every field stands at its offset, big-endian")
    func layout() throws {
        let expected: [[UInt8]] = [
            Array("LTX1".utf8), [0, 0, 0, 0], [0, 0, 0x10, 0], [0, 0, 0, 10],
            [0, 0, 0, 0, 0, 0, 0, 0xD], [0, 0, 0, 0, 0, 0, 0, 0xE], [0, 0, 1, 2, 3, 4, 5, 6],
            [0x9C, 0x74, 0xA1, 0x5B, 0x4E, 0x4F, 0x24, 0x6C],
            [0, 0, 0, 0, 0, 0, 0, 0x20], [0, 0, 0, 0, 0, 0, 0x10, 0x18],
            [0x11, 0x22, 0x33, 0x44], [0x55, 0x66, 0x77, 0x88],
            [0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8], Array(repeating: 0, count: 20),
        ]
        #expect(Self.encoded(Self.header) == expected.flatMap { $0 })
        var compressed = Self.header
        compressed.isCompressed = true
        #expect(Self.encoded(compressed)[4..<8] == [0, 0, 0, 1])
    }

    @Test("Decoding gives the encoded fields")
    func roundTrip() throws {
        let decoded = try Self.encoded(Self.header).withUnsafeBytes { try LTXHeader(decoding: $0) }
        #expect(decoded == Self.header)
    }

    @Test("A header that breaks a rule is refused with the field")
    func rules() {
        let minTXID = TXID(0xD)
        #expect(Self.error(setting: 3, to: [0x32]) == .badMagic(0x4C54_5832))
        #expect(Self.error(setting: 7, to: [2]) == .unknownFlags(2))
        #expect(Self.error(setting: 4, to: [0x80]) == .unknownFlags(0x8000_0000))
        #expect(Self.error(setting: 8, to: [0, 0, 0x10, 1]) == .badPageSize(4097))
        #expect(Self.error(setting: 8, to: [0, 0, 1, 0]) == .badPageSize(256))
        #expect(Self.error(setting: 8, to: [0, 2, 0, 0]) == .badPageSize(131_072))
        #expect(Self.error(setting: 99, to: [1]) == .reservedBytesInUse)
        #expect(Self.error(setting: 80, to: [1]) == .reservedBytesInUse)
        #expect(
            Self.error { $0.minTXID = .zero } == .badTXIDRange(minTXID: .zero, maxTXID: TXID(0xE))
        )
        #expect(
            Self.error { $0.maxTXID = TXID(0xC) } == .badTXIDRange(minTXID: minTXID, maxTXID: TXID(0xC))
        )
        #expect(Self.error { $0.preApply = .zero } == .preApplyWithoutFlag(.zero))
        #expect(Self.error { $0.minTXID = TXID(1) } == .preApplyInSnapshot(Self.header.preApply))
        #expect(Self.error { $0.walOffset = -1 } == .badWALRange(offset: -1, size: 0x1018))
        #expect(Self.error { $0.walSize = -1 } == .badWALRange(offset: 0x20, size: -1))
        #expect(Self.error { $0.walSize = 0 } == .badWALRange(offset: 0x20, size: 0))
        #expect(Self.error { $0.walSize = .max } == .badWALRange(offset: 0x20, size: .max))
        #expect(Self.error { $0.walOffset = 0 } == .badWALRange(offset: 0, size: 0x1018))
        let salts = Self.error {
            $0.walOffset = 0
            $0.walSize = 0
        }
        #expect(salts == .saltWithoutWALRange(0x1122_3344, 0x5566_7788))
    }

    @Test("Fewer bytes than a header or trailer are refused")
    func short() throws {
        for count in 0..<LTXHeader.byteCount {
            let bytes = Array(Self.encoded(Self.header).prefix(count))
            #expect(Self.error(decoding: bytes) == .truncated(offset: UInt64(count)))
        }
        #expect(throws: LTXError.truncated(offset: 15)) {
            try [UInt8](repeating: 0, count: 15).withUnsafeBytes { try LTXTrailer(decoding: $0) }
        }
    }

    @Test("Every error has a text of its own")
    func descriptions() {
        let zero = Checksum.zero
        let page = PageNumber(7)
        let errors: [LTXError] = [
            .badMagic(1), .unknownFlags(2), .badPageSize(3), .badTXIDRange(minTXID: .zero, maxTXID: .zero),
            .preApplyInSnapshot(zero), .preApplyWithoutFlag(zero), .badWALRange(offset: 0, size: 1),
            .saltWithoutWALRange(1, 2), .reservedBytesInUse, .pageOutOfBounds(page, commit: 3),
            .lockPage(page),
            .pageOutOfOrder(page, after: page), .gapInSnapshot(page, expected: page),
            .snapshotEndsEarly(last: page, commit: 9), .badPageLength(page, actual: 1, expected: 2),
            .contentAfterPages, .pageBlockEndsEarly, .compressionFailed("c"),
            .decompressionFailed("d", offset: 1), .postApplyWithoutFlag(zero), .postApplyOfNothing(zero),
            .fileChecksumMismatch(stored: zero, computed: zero),
            .snapshotChecksumMismatch(postApply: zero, computed: zero), .truncated(offset: 5),
            .bytesAfterTrailer(offset: 6), .notBegun,
        ]
        #expect(Set(errors.map(\.description)).count == errors.count)
    }
}
