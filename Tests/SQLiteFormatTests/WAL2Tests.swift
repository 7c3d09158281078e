import SQLiteFormat
import Testing
import WAL2

/// The format of wal2, held against what the real program wrote.
@Suite
struct WAL2Tests {
    static let recordings = ["small", "spill"]

    private func content(_ step: WAL2Recording.Step) -> LogContent {
        LogContent { file, buffer, offset in
            let bytes = file == .wal ? step.wal : step.wal2
            let rest = bytes.dropFirst(Int(offset)).prefix(buffer.count)
            buffer.copyBytes(from: rest)
            return rest.count
        }
    }

    private func pages(_ step: WAL2Recording.Step, _ pageSize: Int) -> [[UInt8]] {
        let content = content(step)
        let count = content.pageCount > 0 ? Int(content.pageCount) : step.database.count / pageSize
        var pages = (0..<count)
            .map { index -> [UInt8] in
                let page = Array(step.database.dropFirst(index * pageSize).prefix(pageSize))
                return page + [UInt8](repeating: 0, count: pageSize - page.count)
            }
        content.frames.visit { page, place in
            guard Int(page) <= count, let size = PageSize(UInt32(pageSize)) else { return }
            let log = place.file == .wal ? step.wal : step.wal2
            pages[Int(page) - 1] = Array(log[Int(place.pageOffset(size))...].prefix(pageSize))
        }
        return pages
    }

    @Test(arguments: recordings)
    func `After each recorded transaction both logs over the database give the recorded pages`(
        _ name: String
    ) throws {
        let recording = try WAL2Recording(name)
        #expect(recording.steps.count >= 10)
        var files: Set<WALFile> = []
        for step in recording.steps {
            let digests = pages(step, recording.pageSize).map { SHA256.prefix(of: $0) }
            #expect(digests == step.pages, "step \(step.number) (\(step.kind))")
            files.insert(content(step).file)
        }
        if name == "small" { #expect(files == [.wal, .wal2]) }
    }

    @Test(arguments: recordings)
    func `The recorded wal-index names the same frames as the chains of both logs`(_ name: String) throws {
        for step in try WAL2Recording(name).steps {
            let content = content(step)
            var shm = step.shm
            try shm.withUnsafeMutableBytes { bytes in
                let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 4096)
                defer { memory.deallocate() }
                memory.copyMemory(from: UnsafeRawBufferPointer(bytes))
                let index = WALIndex(contiguous: memory)
                let header = try index.decodeHeader()
                #expect(header.version == .wal2)
                #expect(header.file == content.file, "step \(step.number)")
                #expect(header.pageCount == content.pageCount)
                if !content.frames.isEmpty {
                    #expect(header.frameChecksum == content.newest.chain?.checksum)
                    #expect(header.salt1 == content.header?.salt1)
                    #expect(header.salt2 == content.header?.salt2)
                }
                for file in WALFile.allCases {
                    let frames = content[file].frames
                    #expect(header[file] == UInt32(frames.count), "step \(step.number) \(file)")
                    let part = index[file]
                    for (frame, page) in zip(UInt32(1)..., frames) {
                        let number = PageNumber(rawValue: page)
                        #expect(try part.page(ofFrame: frame) == number)
                        #expect(try part.find(page: number, upTo: frame) == frame)
                    }
                }
                var again = [UInt8](repeating: 0, count: WALIndexHeader.size)
                again.withUnsafeMutableBytes { header.encode(into: $0) }
                #expect(again.elementsEqual(memory[..<WALIndexHeader.size]))
            }
        }
    }

    @Test
    func `Regions of the two logs take turns`() {
        for (frame, region, offset) in [
            (1, 0, 136), (4062, 0, 136 + 4 * 4061), (4063, 2, 65_536), (8158, 2, 81_916),
        ] {
            let part = WALIndexPart.file(.wal)
            #expect(part.regionIndex(ofFrame: UInt32(frame)) == region)
            #expect(part.entryOffset(ofFrame: UInt32(frame)) == offset)
        }
        for (frame, region, offset) in [(1, 1, 32_768), (4096, 1, 32_768 + 4 * 4095), (4097, 3, 98_304)] {
            let part = WALIndexPart.file(.wal2)
            #expect(part.regionIndex(ofFrame: UInt32(frame)) == region)
            #expect(part.entryOffset(ofFrame: UInt32(frame)) == offset)
        }
    }

    @Test
    func `A log goes on in the other file until the numbers begin again`() throws {
        let size = try #require(PageSize(4096))
        var header = WALHeader(pageSize: size, checkpointSequence: 0, salt1: 1, salt2: 2, version: .wal2)
        for number in 1...40 {
            let checksum = WALChecksum(first: UInt32(number), second: UInt32(2 * number))
            let next = header.continued(after: checksum)
            #expect(next.checkpointSequence == UInt32(number % 16))
            #expect(next.continues(header, endingWith: checksum))
            #expect(!next.continues(header, endingWith: WALChecksum(first: 0, second: 0)))
            #expect(!header.continues(next, endingWith: checksum))
            header = next
        }
        let plain = WALHeader(pageSize: size, checkpointSequence: 0, salt1: 1, salt2: 2)
        #expect(!plain.continued(after: WALChecksum()).continues(plain, endingWith: WALChecksum()))
    }

    @Test
    func `A version word that is not implemented is named`() throws {
        let step = try #require(WAL2Recording("small").steps.last)
        for version in [WALVersion.wal2LargeHash, .wal2HeaderChecksums] {
            var changed = step
            withUnsafeBytes(of: version.rawValue.bigEndian) { changed.wal.replaceSubrange(4..<8, with: $0) }
            #expect(content(changed).unsupportedVersion == version)
            changed = step
            withUnsafeBytes(of: version.rawValue.bigEndian) { changed.wal2.replaceSubrange(4..<8, with: $0) }
            #expect(content(changed).unsupportedVersion == version)
        }
        #expect(content(step).unsupportedVersion == nil)
    }

    @Test
    func `A damaged byte anywhere never makes frames count that were not committed`() throws {
        let step = try #require(WAL2Recording("small").steps.last)
        let sound = content(step)
        for offset in stride(from: 0, to: step.wal2.count, by: 97) {
            var changed = step
            changed.wal2[offset] ^= 0x40
            let damaged = content(changed)
            let pages = damaged.frames.pages
            #expect(pages.count <= sound.frames.count)
            if damaged.file == sound.file {
                #expect(
                    damaged.newest.frames.elementsEqual(
                        sound.newest.frames.prefix(damaged.newest.frames.count)
                    )
                )
            }
        }
        var short = step
        short.wal = Array(step.wal.prefix(32))
        #expect(content(short).frames.isEmpty)
    }
}
