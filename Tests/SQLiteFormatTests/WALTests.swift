import SQLiteFormat
import Testing

struct WALTests {
    @Test(arguments: [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536])
    func `Every frame that SQLite wrote continues the chain, before and after a restart`(pageSize: Int) throws
    {
        let database = try WALDatabase(pageSize: pageSize)
        try database.connection.run(filling(pages: 40, pageSize: pageSize))
        let first = try LogReading(try database.folder.bytes("d-wal"))
        #expect(first.header.pageSize.bytes == pageSize)
        #expect(first.frames.count > 30)
        #expect(first.lastCommit == first.frames.count)

        try database.connection.run("PRAGMA wal_checkpoint(RESTART)")
        try database.connection.run("UPDATE t SET b = randomblob(100) WHERE rowid % 3 = 0")
        let log = try database.folder.bytes("d-wal")
        let second = try LogReading(log)
        #expect(second.header.checkpointSequence == first.header.checkpointSequence + 1)
        #expect(second.header.salt1 == first.header.salt1 &+ 1)
        #expect(second.header.salt2 != first.header.salt2)
        #expect(second.header == first.header.restarted(salt2: second.header.salt2))
        #expect(second.lastCommit > 0)
        // What the first round left behind does not continue the chain of the second.
        let whole = WALFrames.count(fileSize: Int64(log.count), pageSize: second.header.pageSize)
        #expect(second.frames.count < Int(whole))
        #expect(second.frames.last?.commitSize == (try database.pageCount()))
    }

    @Test(arguments: [false, true])
    func `A sealed log validates frame by frame, in both byte orders`(bigEndian: Bool) throws {
        let pageSize = try #require(PageSize(1024))
        let header = WALHeader(
            pageSize: pageSize,
            checkpointSequence: 7,
            salt1: .max,
            salt2: 5,
            bigEndianChecksums: bigEndian
        )
        var log = [UInt8](repeating: 0, count: WALHeader.size)
        log.withUnsafeMutableBytes { header.encode(into: $0) }
        var chain = WALChain(startOf: header)
        for number in 1...5 as ClosedRange<UInt32> {
            log += sealedFrame(&chain, page: number * 3, commitSize: number == 5 ? 15 : 0)
        }
        let reading = try LogReading(log)
        #expect(reading.header == header)
        #expect(reading.frames.map(\.page.rawValue) == [3, 6, 9, 12, 15])
        #expect(reading.frames.map(\.commitSize) == [0, 0, 0, 0, 15])
        #expect(reading.lastCommit == 5)
        #expect(reading.chains.last == chain)
        var resumed = chain
        resumed.resume(at: reading.frames[1].checksum)
        #expect(resumed == reading.chains[2])
        for frame in reading.frames {
            var bytes = [UInt8](repeating: 0xee, count: WALFrameHeader.size)
            bytes.withUnsafeMutableBytes { frame.encode(into: $0) }
            #expect(try bytes.withUnsafeBytes { try WALFrameHeader($0) } == frame)
        }
        #expect(header.restarted(salt2: 9).salt1 == 0)
    }

    @Test
    func `The WAL checksum agrees with sums that were worked out by hand`() {
        // Words 1, 2, 3, 4: first = 1, second = 3; then first = 1 + 3 + 3 = 7, second = 3 + 4 + 7 = 14.
        var little = WALChecksum()
        ([1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0] as [UInt8])
            .withUnsafeBytes {
                little.update($0, bigEndianWords: false)
            }
        #expect(little == WALChecksum(first: 7, second: 14))
        var big = WALChecksum()
        ([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4] as [UInt8])
            .withUnsafeBytes {
                big.update($0, bigEndianWords: true)
            }
        #expect(big == little)
        let before = big
        big.update(UnsafeRawBufferPointer(start: nil, count: 0), bigEndianWords: true)
        #expect(big == before)
    }

    @Test
    func `Offsets and frames are each other's inverse`() throws {
        for size in [512, 4096, 65_536] as [UInt32] {
            let pageSize = try #require(PageSize(size))
            let frameSize = Int64(WALFrames.frameSize(pageSize))
            #expect(frameSize == Int64(size) + 24)
            for frame in [1, 2, 1000, .max] as [UInt32] {
                let offset = WALFrames.offset(ofFrame: frame, pageSize: pageSize)
                #expect(WALFrames.pageOffset(ofFrame: frame, pageSize: pageSize) == offset + 24)
                for byte in [0, 23, 24, frameSize - 1] {
                    let place = WALFrames.frame(atOffset: offset + byte, pageSize: pageSize)
                    #expect(place?.frame == frame)
                    #expect(place?.byte == Int(byte))
                }
                #expect(WALFrames.count(fileSize: offset, pageSize: pageSize) == frame - 1)
                #expect(WALFrames.count(fileSize: offset + frameSize - 1, pageSize: pageSize) == frame - 1)
            }
            for offset in [Int64.min, -1, 0, 31, .max] {
                #expect(WALFrames.frame(atOffset: offset, pageSize: pageSize) == nil)
            }
            #expect(WALFrames.count(fileSize: .min, pageSize: pageSize) == 0)
            #expect(WALFrames.count(fileSize: .max, pageSize: pageSize) == .max)
        }
    }

    @Test
    func `A log header with any bit changed is refused`() throws {
        let database = try WALDatabase(pageSize: 4096)
        let bytes = Array(try database.folder.bytes("d-wal")[..<WALHeader.size])
        let header = try decode(bytes)
        var copy = [UInt8](repeating: 0, count: WALHeader.size)
        copy.withUnsafeMutableBytes { header.encode(into: $0) }
        #expect(copy == bytes)
        for bit in 0..<WALHeader.size * 8 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: SQLiteFormatError.self, "bit \(bit)") { try decode(changed) }
        }
        for count in 0..<WALHeader.size {
            let error = #expect(throws: SQLiteFormatError.self) { try decode(Array(bytes[..<count])) }
            #expect(error?.reason == .truncated(needed: 32, present: count))
        }
        for version in [WALVersion.wal2LargeHash, .wal2HeaderChecksums, .wal2LargeHashHeaderChecksums] {
            var changed = bytes
            withUnsafeBytes(of: version.rawValue.bigEndian) { changed.replaceSubrange(4..<8, with: $0) }
            let error = #expect(throws: SQLiteFormatError.self) { try decode(changed) }
            #expect(error?.reason == .unsupportedVersion(version.rawValue))
        }
    }

    @Test
    func `A frame with any byte changed, or cut short, ends the chain before it`() throws {
        let database = try WALDatabase(pageSize: 512)
        try database.connection.run(filling(pages: 6, pageSize: 512))
        let log = try database.folder.bytes("d-wal")
        let reading = try LogReading(log)
        let frameSize = WALFrames.frameSize(reading.header.pageSize)
        let third = WALHeader.size + 2 * frameSize
        for place in third..<third + frameSize {
            var changed = log
            changed[place] ^= 1 << UInt8(place % 8)
            #expect(try LogReading(changed).frames == Array(reading.frames[..<2]), "byte \(place)")
        }
        for count in WALHeader.size..<third + frameSize {
            let frames = try LogReading(Array(log[..<count])).frames.count
            #expect(frames == (count - WALHeader.size) / frameSize)
        }
        let chain = reading.chains[2]
        log.withUnsafeBytes { bytes in
            for size in 0...WALFrameHeader.size {
                for pageSize in [0, 511, 512, 520] where (size, pageSize) != (24, 512) {
                    let header = UnsafeRawBufferPointer(rebasing: bytes[third..<third + size])
                    let page = UnsafeRawBufferPointer(rebasing: bytes[third + 24..<third + 24 + pageSize])
                    #expect(chain.extended(header: header, page: page) == nil)
                }
            }
        }
    }

    @Test
    func `A frame header without a page number is refused`() {
        let zeros = [UInt8](repeating: 0, count: 24)
        let error = #expect(throws: SQLiteFormatError.self) {
            try zeros.withUnsafeBytes { try WALFrameHeader($0) }
        }
        #expect(error?.reason == .illegalValue(field: .pageNumber, value: 0))
        for count in 0..<24 {
            let error = #expect(throws: SQLiteFormatError.self) {
                try zeros[..<count].withUnsafeBytes { try WALFrameHeader($0) }
            }
            #expect(error?.reason == .truncated(needed: 24, present: count))
        }
    }

    private func decode(_ bytes: [UInt8]) throws -> WALHeader {
        try bytes.withUnsafeBytes { try WALHeader($0) }
    }

    private func sealedFrame(_ chain: inout WALChain, page: UInt32, commitSize: UInt32) -> [UInt8] {
        let data = [UInt8](repeating: UInt8(truncatingIfNeeded: page), count: chain.pageSize.bytes)
        return frame(&chain, page: PageNumber(rawValue: page), commitSize: commitSize, data: data)
    }
}
