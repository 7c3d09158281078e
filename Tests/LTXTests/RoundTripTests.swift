import LTX
import SQLiteFormat
import Testing

@Suite("Encoding and decoding again")
struct RoundTripTests {
    static let sizes: [UInt32] = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536]

    @Test("Every page size comes back, raw and compressed, snapshot or not", arguments: sizes, [true, false])
    func pageSizes(size: UInt32, isCompressed: Bool) throws {
        var random = RandomSource(seed: UInt64(size))
        let encoder = LTXEncoder()
        let decoder = LTXDecoder()
        for txid: UInt64 in [1, 2, 77] {
            for pageCount in [0, 1, 2, 3, 17, 40] {
                let file = LTXFile.random(
                    &random,
                    pageSize: pageSize(size),
                    txid: txid,
                    pageCount: pageCount,
                    isCompressed: isCompressed
                )
                let bytes = try file.encoded(by: encoder)
                #expect(try LTXFile.decoded(bytes, by: decoder) == file)
                #expect(decoder.isComplete)
            }
        }
    }

    @Test("Any cuts give the same file", arguments: [true, false])
    func cuts(isCompressed: Bool) throws {
        var random = RandomSource(seed: 6)
        let decoder = LTXDecoder()
        for longest: UInt64 in [1, 3, 50, 700, 5000, 100_000] {
            let file = LTXFile.random(
                &random,
                pageSize: pageSize(longest < 50 ? 512 : 4096),
                txid: 1 + longest % 2,
                pageCount: longest < 50 ? 5 : 60,
                isCompressed: isCompressed
            )
            let bytes = try file.encoded()
            let decoded = try LTXFile.decoded(bytes, by: decoder) { Int(1 + random.next() % longest) }
            #expect(decoded == file, "pieces of up to \(longest) bytes")
        }
    }

    @Test("A raw file is as long as its parts, and its pages stand in it as they are")
    func rawLayout() throws {
        var random = RandomSource(seed: 7)
        var file = LTXFile(header: LTXHeaderTests.header)
        file.pages = [1, 7, 8].map { LTXFile.Page(number: PageNumber($0), data: random.bytes(4096)) }
        file.postApply = Checksum(rawValue: 0xFE38_31A3_81C6_02B9)
        let bytes = try file.encoded()
        #expect(bytes.count == 12_420)
        #expect(bytes[100..<104] == [0, 0, 0, 1])
        #expect(bytes[104..<4200] == file.pages[0].data[...])
        #expect(bytes[4200..<4204] == [0, 0, 0, 7])
        #expect(bytes[12_400..<12_404] == [0, 0, 0, 0])
        #expect(bytes[12_404..<12_412] == [0xFE, 0x38, 0x31, 0xA3, 0x81, 0xC6, 0x02, 0xB9])
        let crc = CRC64Tests.definition(0, bytes[..<12_412]) | Checksum.flag
        #expect(bytes[12_412...] == (0..<8).map { UInt8(truncatingIfNeeded: crc >> (56 - 8 * $0)) }[...])
    }

    @Test("The file checksum does not depend on compression, but on the flag for it")
    func checksumBeforeCompression() throws {
        var random = RandomSource(seed: 8)
        var file = LTXFile.random(
            &random,
            pageSize: pageSize(1024),
            txid: 1,
            pageCount: 90,
            isCompressed: false
        )
        let raw = try file.encoded()
        file.header.isCompressed = true
        let compressed = try file.encoded()
        #expect(compressed.count < raw.count)
        var content = Array(raw[..<(raw.count - 8)])
        content[7] = 1
        let crc = CRC64Tests.definition(0, content) | Checksum.flag
        #expect(compressed.suffix(8) == (0..<8).map { UInt8(truncatingIfNeeded: crc >> (56 - 8 * $0)) }[...])
    }

    @Test("The frame of a compressed file has LiteFS's descriptor, and ends with an end mark and a checksum")
    func frame() throws {
        var random = RandomSource(seed: 9)
        let file = LTXFile.random(
            &random,
            pageSize: pageSize(512),
            txid: 2,
            pageCount: 3,
            isCompressed: true
        )
        let bytes = try file.encoded()
        #expect(bytes[100..<107] == [0x04, 0x22, 0x4D, 0x18, 0x64, 0x40, 0xA7])
        #expect(bytes[(bytes.count - 24)..<(bytes.count - 20)] == [0, 0, 0, 0])
    }
}
