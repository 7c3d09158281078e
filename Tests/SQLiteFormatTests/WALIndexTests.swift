import SQLiteFormat
import Testing

struct WALIndexTests {
    @Test(arguments: [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536])
    func `The index that SQLite keeps says what its log says`(pageSize: Int) throws {
        let database = try WALDatabase(pageSize: pageSize)
        try database.connection.run(filling(pages: 60, pageSize: pageSize))
        try database.connection.run("UPDATE t SET b = randomblob(90) WHERE rowid % 2 = 0")
        try compare(database)
        // A rollback after pages went to the log early leaves frames that the index must not name.
        try database.connection.run("PRAGMA cache_size=2; BEGIN")
        try database.connection.run(filling(pages: 30, pageSize: pageSize))
        try database.connection.run("ROLLBACK")
        try compare(database)
        try database.connection.run("INSERT INTO t VALUES('x')")
        try compare(database)
        try database.connection.run("PRAGMA wal_checkpoint(RESTART)")
        try database.connection.run("UPDATE t SET b = 1 WHERE rowid = 7")
        try compare(database)
    }

    @Test
    func `An index over several regions is the same, byte for byte, as SQLite's`() throws {
        let database = try WALDatabase(pageSize: 512)
        for _ in 0..<3 {
            try database.connection.run(filling(pages: 3_500, pageSize: 512))
            try database.connection.run("UPDATE t SET b = randomblob(300) WHERE rowid % 13 = 0")
        }
        try compare(database)
        let reading = try LogReading(try database.folder.bytes("d-wal"))
        #expect(reading.lastCommit > 2 * 4096)
        let theirs = try database.folder.bytes("d-shm")
        let count = WALIndexPart.whole.regionCount(forFrames: UInt32(reading.lastCommit))
        #expect(count >= 3)
        #expect(theirs.count == count * WALIndex.regionSize)
        // Garbage that stands for an older log: the first frame of a region clears it.
        let ours = try build(reading, into: IndexMemory(regions: count, fill: 0xa5))
        #expect(ours.bytes[136...] == theirs[136...])
        #expect(ours.bytes[..<8].elementsEqual(theirs[..<8]))
        #expect(ours.bytes[12..<40].elementsEqual(theirs[12..<40]))
    }

    @Test
    func `Regions and frames map to each other as the layout says`() {
        for (frame, region) in [
            (0, 0), (1, 0), (4062, 0), (4063, 1), (8158, 1), (8159, 2), (12254, 2), (12255, 3),
        ] as [(UInt32, Int)] {
            #expect(WALIndexPart.whole.regionIndex(ofFrame: frame) == region)
            #expect(WALIndexPart.whole.regionCount(forFrames: frame) == region + 1)
        }
        #expect(WALIndexPart.whole.regionIndex(ofFrame: .max) == (Int(UInt32.max) + 33) / 4096)
        for (frame, offset) in [(1, 136), (4062, 16_380), (4063, 32_768), (8158, 49_148), (8159, 65_536)]
            as [(UInt32, Int)]
        {
            #expect(WALIndexPart.whole.entryOffset(ofFrame: frame) == offset)
        }
    }

    @Test
    func `A reader finds the newest frame between its limits`() throws {
        let memory = IndexMemory(regions: 3)
        let index = memory.index
        var state: UInt32 = 20_240_131
        var pages: [UInt32] = [0]
        for number in 1...10_000 as ClosedRange<UInt32> {
            state = state &* 1_664_525 &+ 1_013_904_223
            // Few pages often, and many that share the start of their probe sequence.
            let page = state >> 31 == 0 ? state >> 8 % 50 + 1 : (state >> 16 % 300 + 1) * 8192
            pages.append(page)
            try index.append(frame: number, page: PageNumber(rawValue: page))
            #expect(try index.page(ofFrame: number)?.rawValue == page)
        }
        for (first, last) in [
            (1, 10_000), (1, 4_062), (1, 4_063), (4_062, 4_063), (5_000, 9_000), (9, 9), (7, 6),
        ] {
            var newest: [UInt32: UInt32] = [:]
            for number in stride(from: first, through: last, by: 1) {
                newest[pages[number]] = UInt32(number)
            }
            for page in Set(pages).union([9_999_999]) {
                let found = try index.find(
                    page: PageNumber(rawValue: page),
                    upTo: UInt32(last),
                    minFrame: UInt32(first)
                )
                #expect(found == newest[page])
            }
        }
        #expect(try index.find(page: PageNumber(rawValue: 8192), upTo: 0) == nil)
    }

    @Test
    func `Entries after the last commit go with a clean-up, or with the next entry in their place`() throws {
        let memory = IndexMemory(regions: 2)
        let index = memory.index
        for number in 1...3_000 as ClosedRange<UInt32> {
            try index.append(frame: number, page: PageNumber(rawValue: number % 700 + 1))
        }
        let committed = memory.bytes
        for number in 3_001...4_500 as ClosedRange<UInt32> {
            try index.append(frame: number, page: PageNumber(rawValue: number % 900 + 1))
        }
        try index.cleanup(after: 3_000)
        #expect(memory.bytes[..<WALIndex.regionSize].elementsEqual(committed[..<WALIndex.regionSize]))

        for number in 3_001...3_500 as ClosedRange<UInt32> {
            try index.append(frame: number, page: PageNumber(rawValue: 5_000 + number))
        }
        try index.append(frame: 3_001, page: PageNumber(rawValue: 77))
        let other = IndexMemory(committed)
        try other.index.append(frame: 3_001, page: PageNumber(rawValue: 77))
        #expect(memory.bytes[..<WALIndex.regionSize].elementsEqual(other.bytes[..<WALIndex.regionSize]))
        try index.cleanup(after: 0)
        #expect(try index.find(page: PageNumber(rawValue: 77), upTo: 3_001) == 3_001)
    }

    @Test
    func `Checkpoint information lies where SQLite keeps it`() throws {
        let database = try WALDatabase(pageSize: 4096)
        try database.connection.run(filling(pages: 20, pageSize: 4096))
        try database.connection.run("PRAGMA wal_checkpoint(PASSIVE)")
        let memory = IndexMemory(try database.folder.bytes("d-shm"))
        let index = memory.index
        let header = try index.decodeHeader()
        #expect(index.backfilled == header.mxFrame)
        #expect(index.backfillAttempted == header.mxFrame)
        #expect(index.readMark(0) == 0)

        index.resetCheckpointInformation(mxFrame: 5)
        #expect(index.backfilled == 0)
        #expect(index.backfillAttempted == 5)
        let unused = WALIndex.unusedReadMark
        #expect((0..<5).map { index.readMark($0) } == [0, 5, unused, unused, unused])
        index.backfilled = 3
        index.backfillAttempted = 4
        index.setReadMark(4, to: 9)
        #expect(memory.bytes[96] == 3)
        #expect(memory.bytes[128] == 4)
        #expect(memory.bytes[116] == 9)
        #expect(try index.decodeHeader() == header)
        #expect((0..<5).map { LockBytes.WALIndex.read($0) } == [123, 124, 125, 126, 127])
    }

    /// Compares SQLite's index with the log, and with an index that is built from the log here.
    private func compare(_ database: WALDatabase) throws {
        let reading = try LogReading(try database.folder.bytes("d-wal"))
        let theirs = IndexMemory(try database.folder.bytes("d-shm"))
        let header = try #require(theirs.index.readHeader())
        let last = reading.lastCommit
        #expect(header.mxFrame == UInt32(last))
        #expect(header.pageCount == reading.frames[last - 1].commitSize)
        #expect(header.pageSize == reading.header.pageSize)
        #expect(header.salt1 == reading.header.salt1)
        #expect(header.salt2 == reading.header.salt2)
        #expect(header.frameChecksum == reading.frames[last - 1].checksum)
        #expect(header.bigEndianChecksums == reading.header.bigEndianChecksums)
        #expect(WALChain(resuming: header) == reading.chains[last])
        #expect(theirs.index.version == .wal)
        #expect(theirs.index.regions.count == WALIndexPart.whole.regionCount(forFrames: header.mxFrame))

        let ours = try build(reading, into: IndexMemory(regions: theirs.index.regions.count))
        for minFrame in [1, last / 2 + 1] {
            let newest = reading.newestFrames(upTo: last, from: minFrame)
            for number in 1...header.pageCount + 3 {
                let page = PageNumber(rawValue: number)
                for index in [theirs.index, ours.index] {
                    let found = try index.find(
                        page: page,
                        upTo: header.mxFrame,
                        minFrame: UInt32(minFrame)
                    )
                    #expect(found == newest[page])
                }
            }
        }
        for number in 1...header.mxFrame {
            #expect(try theirs.index.page(ofFrame: number) == reading.frames[Int(number) - 1].page)
        }
    }

    private func build(_ reading: LogReading, into memory: IndexMemory) throws -> IndexMemory {
        let index = memory.index
        for number in 1...reading.lastCommit {
            try index.append(frame: UInt32(number), page: reading.frames[number - 1].page)
        }
        let header = WALIndexHeader(
            chain: reading.chains[reading.lastCommit],
            mxFrame: UInt32(reading.lastCommit),
            pageCount: reading.frames[reading.lastCommit - 1].commitSize,
            changeCounter: 1
        )
        index.writeHeader(header)
        #expect(try index.decodeHeader() == header)
        // Locks and nBackfillAttempted are SQLite's own; the rest of the prefix is compared by the caller.
        for offset in 96..<136 { memory.memory[offset] = 0 }
        return memory
    }
}
