import CLZ4
import LTX
import SQLiteFormat
import Testing

@Suite("LZ4 frames of other writers")
struct FrameDescriptorTests {
    /// A compressed file whose page block other writers may compress again, in its parts.
    struct Parts {
        let file: LTXFile
        let header: [UInt8]
        let content: [UInt8]
        let trailer: [UInt8]

        init(seed: UInt64) throws {
            var random = RandomSource(seed: seed)
            var file = LTXFile.random(
                &random,
                pageSize: pageSize(4096),
                txid: 1,
                pageCount: 300,
                isCompressed: false
            )
            let raw = try file.encoded()
            file.header.isCompressed = true
            let compressed = try file.encoded()
            self.file = file
            header = Array(compressed[..<LTXHeader.byteCount])
            content = Array(raw[LTXHeader.byteCount..<(raw.count - LTXTrailer.byteCount)])
            trailer = Array(compressed.suffix(LTXTrailer.byteCount))
        }

        func bytes(content: [UInt8], _ change: (inout LZ4F_preferences_t) -> Void = { _ in }) -> [UInt8] {
            var preferences = LZ4F_preferences_t()
            change(&preferences)
            var frame = [UInt8](repeating: 0, count: LZ4F_compressFrameBound(content.count, &preferences))
            let count = LZ4F_compressFrame(&frame, frame.count, content, content.count, &preferences)
            return header + frame[..<count] + trailer
        }
    }

    static let blockSizes = [LZ4F_max64KB, LZ4F_max256KB, LZ4F_max1MB, LZ4F_max4MB]

    @Test("Every block size, linked or independent, with or without checksums and size, is read")
    func descriptors() throws {
        let parts = try Parts(seed: 12)
        let decoder = LTXDecoder()
        var random = RandomSource(seed: 13)
        for blockSize in Self.blockSizes {
            for choice in 0..<16 {
                let bytes = parts.bytes(content: parts.content) { preferences in
                    preferences.frameInfo.blockSizeID = blockSize
                    preferences.frameInfo.blockMode =
                        choice & 1 == 0 ? LZ4F_blockLinked : LZ4F_blockIndependent
                    preferences.frameInfo.blockChecksumFlag =
                        choice & 2 == 0 ? LZ4F_noBlockChecksum : LZ4F_blockChecksumEnabled
                    preferences.frameInfo.contentChecksumFlag =
                        choice & 4 == 0 ? LZ4F_noContentChecksum : LZ4F_contentChecksumEnabled
                    preferences.frameInfo.contentSize = choice & 8 == 0 ? 0 : UInt64(parts.content.count)
                }
                let decoded = try LTXFile.decoded(bytes, by: decoder) { Int(1 + random.next() % 90_000) }
                #expect(decoded == parts.file, "block size \(blockSize.rawValue), choice \(choice)")
            }
        }
    }

    @Test("Content behind the end mark of the pages is refused, however long it is")
    func contentAfterPages() throws {
        let parts = try Parts(seed: 14)
        for extra in [1, 4, 100_000, 10_000_000] {
            let content = parts.content + [UInt8](repeating: 0, count: extra)
            #expect(throws: LTXError.contentAfterPages, "\(extra) bytes") {
                try LTXFile.decoded(parts.bytes(content: content))
            }
        }
    }

    @Test("A frame that ends before the end mark of the pages is refused")
    func shortContent() throws {
        let parts = try Parts(seed: 15)
        for missing in [1, 4, 5, 4096, parts.content.count] {
            let content = Array(parts.content.dropLast(missing))
            #expect(throws: LTXError.pageBlockEndsEarly, "\(missing) bytes less") {
                try LTXFile.decoded(parts.bytes(content: content))
            }
        }
    }

    @Test("A skippable frame in place of the page block is refused")
    func skippableFrame() throws {
        let parts = try Parts(seed: 16)
        let frame: [UInt8] = [0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3]
        #expect(throws: LTXError.pageBlockEndsEarly) {
            try LTXFile.decoded(parts.header + frame + parts.trailer)
        }
    }
}
