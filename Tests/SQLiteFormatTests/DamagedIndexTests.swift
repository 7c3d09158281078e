import POSIX
import SQLiteFormat
import Testing

struct DamagedIndexTests {
    @Test
    func `A header with any bit changed in either copy is not believed`() throws {
        let database = try WALDatabase(pageSize: 4096)
        let bytes = try database.folder.bytes("d-shm")
        let memory = IndexMemory(bytes)
        let header = try memory.index.decodeHeader()
        var both = [UInt8](repeating: 0, count: WALIndexHeader.size)
        both.withUnsafeMutableBytes { header.encode(into: $0) }
        #expect(both == Array(bytes[..<48]))
        for bit in 0..<2 * WALIndexHeader.size * 8 {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            let memory = IndexMemory(changed)
            #expect(memory.index.readHeader() == nil, "bit \(bit)")
        }
        // The same change in both copies: the checksum tells.
        for bit in 0..<WALIndexHeader.size * 8 {
            var changed = Array(bytes[..<48])
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(throws: SQLiteFormatError.self, "bit \(bit)") {
                try changed.withUnsafeBytes { try WALIndexHeader($0) }
            }
        }
        for count in 0..<WALIndexHeader.size {
            let error = #expect(throws: SQLiteFormatError.self) {
                try bytes[..<count].withUnsafeBytes { try WALIndexHeader($0) }
            }
            #expect(error?.reason == .truncated(needed: 48, present: count))
        }
    }

    @Test
    func `An invalid header says why`() throws {
        let memory = IndexMemory(regions: 1)
        var header = WALIndexHeader(
            changeCounter: 9,
            pageSize: PageSize(65_536),
            mxFrame: 3,
            pageCount: 4,
            frameChecksum: WALChecksum(first: 1, second: 2),
            salt1: 5,
            salt2: 6
        )
        memory.index.writeHeader(header)
        #expect(memory.bytes[14] == 1)
        #expect(memory.bytes[15] == 0)
        #expect(try memory.index.decodeHeader() == header)
        memory.memory[8] ^= 1
        #expect(reason(memory) == .copiesDiffer)
        header.pageSize = nil
        memory.index.writeHeader(header)
        #expect(try memory.index.decodeHeader() == header)
        memory.index.invalidateHeader()
        #expect(reason(memory) == .unsupportedVersion(0))
        #expect(memory.index.version.rawValue == 0)
        for copy in [0, 48] {
            memory.memory.storeBytes(
                of: WALVersion.wal2LargeHash.rawValue,
                toByteOffset: copy,
                as: UInt32.self
            )
        }
        #expect(reason(memory) == .unsupportedVersion(3_021_001))
        #expect(memory.index.version == .wal2LargeHash)
        for copy in [0, 48] {
            memory.memory.storeBytes(of: WALVersion.wal.rawValue, toByteOffset: copy, as: UInt32.self)
        }
        #expect(reason(memory) == .notInitialized)
        memory.memory[12] = 1
        memory.memory[60] = 1
        #expect(reason(memory) == .checksumMismatch)
    }

    @Test
    func `Frames whose region is not mapped, and frame 0, give errors`() throws {
        let memory = IndexMemory(regions: 1)
        let index = memory.index
        let page = PageNumber(rawValue: 4)
        let calls: [() throws -> Void] = [
            { _ = try index.find(page: page, upTo: 4_063) },
            { _ = try index.find(page: page, upTo: .max, minFrame: .max) },
            { try index.append(frame: 4_063, page: page) },
            { try index.append(frame: .max, page: page) },
            { try index.cleanup(after: .max) },
            { _ = try index.page(ofFrame: 5_000) },
            { _ = try WALIndex(regions: []).find(page: page, upTo: 1) },
            { try index.append(frame: 0, page: page) },
            { _ = try index.page(ofFrame: 0) },
        ]
        for call in calls {
            #expect(throws: SQLiteFormatError.self) { try call() }
        }
        #expect(try index.page(ofFrame: 1) == nil)
        #expect(try index.find(page: PageNumber(rawValue: 0), upTo: 1) == nil)
    }

    @Test
    func `A hash table without a free slot gives an error`() throws {
        let memory = IndexMemory(regions: 1, fill: 1)
        let index = memory.index
        let page = PageNumber(rawValue: 4)
        let error = #expect(throws: SQLiteFormatError.self) { try index.find(page: page, upTo: 100) }
        #expect(error?.reason == .hashTableFull(region: 0))
        #expect(throws: SQLiteFormatError.self) {
            // The slots name place 257, which is not after this frame and so is not cleaned up.
            try index.append(frame: 300, page: page)
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `Random memory never takes a call outside of it`(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        for _ in 0..<40 {
            let memory = IndexMemory(regions: 2)
            let density = random.next() % 4
            for offset in stride(from: 0, to: memory.memory.count, by: 8) where random.next() % 4 <= density {
                memory.memory.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
            }
            let index = memory.index
            _ = index.readHeader()
            for _ in 0..<20 {
                let frame = UInt32(truncatingIfNeeded: random.next() % 9_000)
                let page = PageNumber(rawValue: UInt32(truncatingIfNeeded: random.next()))
                let found = try? index.find(page: page, upTo: frame, minFrame: frame / 2)
                if let found { #expect((frame / 2...frame).contains(found)) }
                _ = try? index.append(frame: frame, page: page)
                if random.next() % 8 == 0 { try? index.cleanup(after: frame) }
            }
        }
    }

    @Test
    func `A reader that races with a writer sees only whole headers`() throws {
        let memory = IndexMemory(regions: 1)
        let address = UInt(bitPattern: memory.memory.baseAddress)
        let rounds: UInt32 = 20_000
        let writer = POSIX.Thread("writer") {
            guard let start = UnsafeMutableRawPointer(bitPattern: address) else { return }
            let index = WALIndex(regions: [start])
            for number in 1...rounds { index.writeHeader(uniform(number)) }
        }
        var seen = 0
        var last: UInt32 = 0
        let deadline = ContinuousClock.now + .seconds(30)
        while last < rounds, ContinuousClock.now < deadline {
            guard let header = memory.index.readHeader() else { continue }
            #expect(header == uniform(header.mxFrame))
            #expect(header.mxFrame >= last)
            last = header.mxFrame
            seen += 1
        }
        writer.join()
        #expect(last == rounds)
        #expect(seen > 0)
    }

    private func reason(_ memory: IndexMemory) -> SQLiteFormatError.Reason? {
        do throws(SQLiteFormatError) {
            _ = try memory.index.decodeHeader()
            return nil
        } catch {
            return error.reason
        }
    }
}

/// A header whose fields all follow from one number.
private func uniform(_ number: UInt32) -> WALIndexHeader {
    WALIndexHeader(
        changeCounter: number,
        bigEndianChecksums: number % 2 == 0,
        pageSize: PageSize(4096),
        mxFrame: number,
        pageCount: number &* 3,
        frameChecksum: WALChecksum(first: number &* 5, second: number &* 7),
        salt1: number &* 11,
        salt2: number &* 13
    )
}

/// A small generator, so that a failure can be run again from its seed.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
