import LTX
import SQLiteFormat
import Testing

@Suite("Text of TXIDs, checksums, positions and file names")
struct TextFormTests {
    @Test(
        "A TXID is sixteen lower-case hex digits",
        arguments: [0, 1, 0xD, 0x0123_4567_89AB_CDEF, UInt64.max]
    )
    func txids(value: UInt64) {
        let text = TXID(value).description
        #expect(text.utf8.count == 16)
        #expect(UInt64(text, radix: 16) == value)
        #expect(TXID(hex: text) == TXID(value))
        #expect(Checksum(hex: text) == Checksum(rawValue: value))
        #expect(Checksum(rawValue: value).description == text)
    }

    @Test(
        "Anything but sixteen lower-case hex digits is refused",
        arguments: [
            "", "1", "000000000000001", "00000000000000001", "000000000000000D", "00000000000000g1",
            "+000000000000001", "0x00000000000001", " 00000000000000d", "00000000000000٣",
        ]
    )
    func badHex(text: String) {
        #expect(TXID(hex: text) == nil)
        #expect(Checksum(hex: text) == nil)
    }

    @Test("A position is TXID/CHECKSUM")
    func positions() {
        let position = Position(txid: TXID(13), postApply: Checksum(rawValue: 0xFE38_31A3_81C6_02B9))
        #expect(position.description == "000000000000000d/fe3831a381c602b9")
        #expect(Position("000000000000000d/fe3831a381c602b9") == position)
        #expect(Position("0000000000000000/0000000000000000") == .zero)
    }

    @Test(
        "Text that is not exactly a position is refused",
        arguments: [
            "", "/", "000000000000000d", "000000000000000d/", "000000000000000d/fe3831a381c602b9\n",
            "000000000000000d/fe3831a381c602b9/", "000000000000000d//fe3831a381c602b9",
            "000000000000000D/fe3831a381c602b9", "d/fe3831a381c602b9",
        ]
    )
    func badPositions(text: String) {
        #expect(Position(text) == nil)
    }

    @Test("A file name is MIN-MAX.ltx")
    func fileNames() throws {
        let name = try #require(LTXFileName(minTXID: TXID(0xD), maxTXID: TXID(0x1F)))
        #expect(name.description == "000000000000000d-000000000000001f.ltx")
        #expect(LTXFileName("000000000000000d-000000000000001f.ltx") == name)
        #expect(LTXFileName(minTXID: TXID(2), maxTXID: TXID(1)) == nil)
        #expect(LTXFileName(minTXID: TXID(0), maxTXID: TXID(1)) == nil)
    }

    @Test(
        "Names of other files are refused",
        arguments: [
            "", "000000000000000d-000000000000001f", "000000000000000d-000000000000001f.ltx.tmp",
            "000000000000000d-000000000000001F.ltx", "0000000000000002-0000000000000001.ltx",
            "0000000000000000-0000000000000001.ltx", "000000000000000d_000000000000001f.ltx",
            "d-1f.ltx", "-00000000000000d-000000000000001f.ltx", "é00000000000000-000000000000001f.ltx",
        ]
    )
    func badFileNames(name: String) {
        #expect(LTXFileName(name) == nil)
    }

    @Test("Putting a page's checksum in and out again changes nothing, and the flag stays")
    func toggling() {
        var checksum = Checksum.empty
        let pages = [0x9C74_A15B_4E4F_246C, 0xFE38_31A3_81C6_02B9].map { Checksum(rawValue: $0) }
        for page in pages {
            checksum.toggle(page)
            #expect(checksum.isFlagged)
        }
        #expect(checksum == Checksum.empty.toggling(pages[1]).toggling(pages[0]))
        for page in pages { checksum.toggle(page) }
        #expect(checksum == .empty)
    }

    @Test("The lock page lies at one gibibyte")
    func lockPages() {
        #expect(pageSize(512).lockPage == PageNumber(2_097_153))
        #expect(pageSize(4096).lockPage == PageNumber(262_145))
        #expect(pageSize(65_536).lockPage == PageNumber(16_385))
    }

    @Test("Only powers of two from 512 to 65536 are page sizes")
    func pageSizes() {
        let sizes = (0...70_000).compactMap { PageSize(UInt32($0))?.bytes }
        #expect(sizes == [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536])
        #expect(PageSize(.max) == nil)
    }
}
