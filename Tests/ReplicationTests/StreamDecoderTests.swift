import LTX
import Store
import Testing

@testable import Replication

@Suite("StreamDecoder")
struct StreamDecoderTests {
    private func encoded(_ frames: StreamFrame...) -> [UInt8] {
        var bytes: [UInt8] = []
        for frame in frames { frame.encode(into: &bytes) }
        return bytes
    }

    private func ltxFrame(_ name: DatabaseName, _ content: [UInt8], chunk: Int) -> [UInt8] {
        var bytes = encoded(.ltxBegin(name))
        for start in stride(from: 0, to: content.count, by: chunk) {
            let part = content[start..<min(start + chunk, content.count)]
            bytes.appendBigEndian(UInt16(part.count))
            bytes += part
        }
        StreamFrame.ltxEnd.encode(into: &bytes)
        return bytes
    }

    /// A stream with every kind of frame.
    private func everything() throws -> [UInt8] {
        let name = try DatabaseName("a.db")
        return ltxFrame(name, Array(0...255), chunk: 100)
            + encoded(.ready, .dropDatabase(name), .handoff(leaseID: "lease"), .highWaterMark(TXID(9), name))
            + ltxFrame(name, [], chunk: 1)
            + encoded(.heartbeat(milliseconds: 1_700_000_000_123), .end)
    }

    @Test func `reads a stream that LiteFS sent, however it is cut`() throws {
        let bytes = try Fixture.contents(of: "stream_zero_pos.bin")
        let whole = try StreamReading(bytes)
        let heartbeats = [0x01A1_FBC0_416A, 0x01A1_FBC0_4551, 0x01A1_FBC0_4939]
        #expect(whole.frames == [.ready] + heartbeats.map { .heartbeat(milliseconds: Int64($0)) })
        #expect(whole.files.map(\.name.text) == ["w.db", "d.db", "k1.db"])
        for (file, (pages, last)) in zip(whole.files, [(2, 3), (2, 2), (4, 3)] as [(UInt32, UInt64)]) {
            let content = try #require(try FileReading(file.bytes))
            #expect(content.header.isSnapshot && content.header.maxTXID == TXID(last))
            #expect(content.pages == Array(1...pages))
        }

        var random = RandomSource(seed: 3)
        for _ in 0..<50 {
            var reading = StreamReading()
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = min(rest.count, 1 + Int(random.next() % 700))
                try reading.feed(rest.prefix(count))
                rest = rest.dropFirst(count)
            }
            try reading.finish()
            let isSame = reading == whole
            #expect(isSame)
        }
    }

    @Test func `reads every frame byte by byte`() throws {
        let bytes = try everything()
        let name = try DatabaseName("a.db")
        var reading = StreamReading()
        for byte in bytes { try reading.feed([byte]) }
        try reading.finish()
        #expect(
            reading.items == [
                .file(name, Array(0...255)), .frame(.ready), .frame(.dropDatabase(name)),
                .frame(.handoff(leaseID: "lease")), .frame(.highWaterMark(TXID(9), name)), .file(name, []),
                .frame(.heartbeat(milliseconds: 1_700_000_000_123)), .frame(.end),
            ]
        )
        #expect(reading.isEnded)
    }

    @Test func `writes frames as LiteFS does`() throws {
        let recorded = try Fixture.contents(of: "stream_zero_pos.bin")
        let reading = try StreamReading(recorded)
        // Where LiteFS cut its files into chunks.
        let cuts = [[100, 7, 4, 207, 8, 16], [100, 7, 4, 214, 8, 16], [100, 7, 4, 3194, 8, 16]]
        var bytes: [UInt8] = []
        for (file, cuts) in zip(reading.files, cuts) {
            bytes += encoded(.ltxBegin(file.name))
            var rest = file.bytes[...]
            for count in cuts {
                bytes.appendBigEndian(UInt16(count))
                bytes += rest.prefix(count)
                rest = rest.dropFirst(count)
            }
            StreamFrame.ltxEnd.encode(into: &bytes)
        }
        for frame in reading.frames { frame.encode(into: &bytes) }
        let isSame = bytes == recorded
        #expect(isSame)
    }

    @Test func `a stream may end between frames, and nowhere else`() throws {
        let bytes = try everything()
        var boundaries: Set<Int> = [0]
        for count in 1...bytes.count {
            var reading = StreamReading()
            try reading.feed(bytes[..<count])
            do {
                try reading.finish()
                boundaries.insert(count)
            } catch {
                #expect(error as? StreamError == .truncated(offset: UInt64(count)))
            }
        }
        #expect(boundaries.count == 9)
    }

    @Test func `refuses unknown frames with LiteFS's text`() throws {
        let error = #expect(throws: StreamError.self) { try StreamReading([0, 0, 0, 0x63]) }
        #expect(error?.description.hasPrefix("invalid stream frame type: 0x63") == true)
        #expect(
            StreamError.unknownFrameType(8, offset: 0).description
                .hasPrefix("invalid stream frame type: 0x08 ")
        )
        let text = Array("http: POST /stream: error: lease expired\n".utf8)
        #expect(throws: StreamError.unknownFrameType(0x6874_7470, offset: 0)) { try StreamReading(text) }
    }

    @Test func `refuses lengths that nobody needs before it reserves memory for them`() throws {
        let huge: [UInt8] = [255, 255, 255, 255]
        #expect(throws: StreamError.badNameLength(.max, offset: 12)) {
            try StreamReading([0, 0, 0, 1] + [UInt8](repeating: 0, count: 8) + huge)
        }
        #expect(throws: StreamError.badNameLength(256, offset: 4)) {
            try StreamReading([0, 0, 0, 4, 0, 0, 1, 0])
        }
        #expect(throws: StreamError.badNameLength(0, offset: 4)) {
            try StreamReading([0, 0, 0, 4, 0, 0, 0, 0])
        }
        #expect(throws: StreamError.badNameLength(.max, offset: 12)) {
            try StreamReading([0, 0, 0, 6] + [UInt8](repeating: 0, count: 8) + huge)
        }
        #expect(throws: StreamError.badLeaseIDLength(1025, offset: 4)) {
            try StreamReading([0, 0, 0, 5, 0, 0, 4, 1])
        }
    }

    @Test func `refuses names and lease IDs that are none`() throws {
        #expect(throws: StreamError.self) { try StreamReading([0, 0, 0, 4, 0, 0, 0, 3] + Array("a/b".utf8)) }
        #expect(throws: StreamError.invalidLeaseID(offset: 8)) {
            try StreamReading([0, 0, 0, 5, 0, 0, 0, 2, 0xC3, 0x28])
        }
    }

    @Test func `refuses what follows the end`() throws {
        var reading = try StreamReading(encoded(.ready, .end))
        #expect(throws: StreamError.bytesAfterEnd(offset: 8)) { try reading.feed([0]) }
        #expect(throws: StreamError.givenUp) { try reading.feed([0]) }
        #expect(throws: StreamError.givenUp) { try reading.finish() }
    }

    @Test func `is given up when its handler throws`() throws {
        struct Refused: Error {}
        var decoder = StreamDecoder()
        let bytes = encoded(.ready, .ready)
        bytes.withUnsafeBytes { buffer in
            #expect(throws: Refused.self) { try decoder.feed(buffer) { _ in throw Refused() } }
            #expect(throws: StreamError.givenUp) { try decoder.feed(buffer) { _ in } }
        }
    }

    @Test func `never traps on damage, and keeps little`() throws {
        var random = RandomSource(seed: 5)
        let recorded = try Fixture.contents(of: "stream_zero_pos.bin")
        let all = try everything()
        for round in 0..<20_000 {
            var bytes = round % 50 == 0 ? recorded : round % 2 == 0 ? all : random.bytes(60)
            for _ in 0...(random.next() % 3) {
                bytes[Int(random.next() % UInt64(bytes.count))] ^= 1 << UInt8(random.next() % 8)
            }
            var decoder = StreamDecoder()
            bytes.withUnsafeBytes { buffer in
                _ = try? decoder.feed(buffer) { _ in }
                _ = try? decoder.finish()
            }
        }
    }

    @Test func `chunks fill what room there is`() throws {
        var memory = [UInt8](repeating: 0, count: 100_000)
        let written = memory.withUnsafeMutableBytes { buffer in
            let first = ChunkFraming.write(into: buffer) { $0.count }
            #expect(first == 2 + 65_535)
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[first...])
            let second = ChunkFraming.write(into: rest) { $0.count }
            #expect(ChunkFraming.write(into: rest) { _ in 0 } == 0)
            return first + second
        }
        #expect(written == 100_000)
        #expect(memory[0] == 255 && memory[1] == 255)
    }
}
