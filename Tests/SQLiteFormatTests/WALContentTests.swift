import SQLiteFormat
import Testing

struct WALContentTests {
    @Test(arguments: [512, 4096, 65536])
    func `The content of a log ends with its last commit, wherever the log is cut`(pageSize: Int) throws {
        let database = try WALDatabase(pageSize: pageSize)
        try database.connection.run(filling(pages: 30, pageSize: pageSize))
        try database.connection.run("UPDATE t SET b = randomblob(80) WHERE rowid % 4 = 0")
        let log = try database.folder.bytes("d-wal")
        let reading = try LogReading(log)
        let commits = reading.frames.indices.filter { reading.frames[$0].isCommit }.map { UInt32($0 + 1) }
        #expect(commits.count == 3)

        let frameSize = WALFrames.frameSize(reading.header.pageSize)
        for whole in 0...reading.frames.count {
            for extra in [0, 1, 24, frameSize - 1] {
                let size = min(WALHeader.size + whole * frameSize + extra, log.count)
                let content = content(of: log[..<size])
                let last = Int(commits.last { Int($0) <= whole } ?? 0)
                #expect(content.header == reading.header)
                #expect(content.commits == commits.filter { Int($0) <= whole })
                #expect(content.frames == reading.frames[..<last].map(\.page.rawValue))
                #expect(content.chain == reading.chains[last])
                #expect(content.pageCount == (last == 0 ? 0 : reading.frames[last - 1].commitSize))
            }
        }
    }

    @Test
    func `Bytes without a sound header have no content`() throws {
        let database = try WALDatabase(pageSize: 512)
        let log = try database.folder.bytes("d-wal")
        var samples = [[], Array(log[..<31]), [UInt8](repeating: 0, count: 4096)]
        samples.append(log)
        samples[3][30] ^= 1
        for sample in samples {
            let content = content(of: sample[...])
            #expect(content.header == nil)
            #expect(content.chain == nil)
            #expect(content.frames.isEmpty)
            #expect(content.commits.isEmpty)
            #expect(content.pageCount == 0)
        }
    }

    @Test
    func `An error of the reader goes to the caller`() {
        struct Failure: Error {}
        #expect(throws: Failure.self) {
            try WALContent(reading: { (_, _) throws(Failure) -> Int in throw Failure() })
        }
    }

    private func content(of log: ArraySlice<UInt8>) -> WALContent {
        WALContent { buffer, offset in
            let rest = log.dropFirst(Int(offset)).prefix(buffer.count)
            buffer.copyBytes(from: rest)
            return rest.count
        }
    }
}
