import Capture
import SQLiteFormat
import Testing

/// Transactions that SQLite publishes although salts and checksums of their frames are zero.
struct UnsealedFrameTests {
    @Test
    func `A savepoint that is rolled back behind a page that spilled twice loses no commit`() throws {
        let primary = try Primary(pageSize: 1024)
        let connection = try primary.connect()
        try connection.run(
            "PRAGMA cache_size=5; PRAGMA cache_spill=5; \(WALScenarioTests.insert(40, bytes: 700))"
        )
        for round in 0..<20 {
            // Frames are written again behind the savepoint, and the savepoint takes back all of them.
            try connection.run("BEGIN; SAVEPOINT s; UPDATE t SET c = c + 1; UPDATE t SET c = c + 2")
            try connection.run("ROLLBACK TO s; RELEASE s")
            let last = round % 2 == 0 ? 3 : 40
            try connection.run("UPDATE t SET c = \(round) WHERE a <= \(last); COMMIT")
            try primary.verify("round \(round)")
            try connection.run("UPDATE t SET c = -c WHERE a = 7")
            try primary.verify("after round \(round)")
            if round % 7 == 6 { try connection.run("PRAGMA wal_checkpoint(RESTART)") }
        }
        #expect(primary.follower.seen[.withdrawal] == nil)
    }

    @Test(arguments: [24, 600], [nil, WALChecksum(), WALChecksum(first: 1, second: 2)])
    func `Unsealed frames in order are a transaction, and the next frame is believed whatever it continues`(
        piece: Int,
        checksum: WALChecksum?
    ) throws {
        let writer = try LogWriter()
        writer.write(writer.headerBytes, at: 0)
        writer.write(writer.frame(page: 1, commitSize: 1, fill: 1), at: writer.offset(1), piece: piece)
        writer.write(writer.unsealedFrame(page: 2, fill: 2), at: writer.offset(2), piece: piece)
        writer.write(writer.unsealedFrame(page: 3, fill: 2), at: writer.offset(3), piece: piece)
        // Spilled once more: only the page is written.
        writer.write([UInt8](repeating: 9, count: 512), at: writer.offset(2) + 24)
        writer.write(
            writer.unsealedFrame(page: 1, commitSize: 3, fill: 3),
            at: writer.offset(4),
            piece: piece
        )
        #expect(writer.commits.map(\.lastFrame) == [1, 4])
        var chain = writer.chain
        chain.resume(at: checksum ?? chain.checksum)
        let frame = writer.frameCount
        writer.rollBack(to: chain, frame: frame)
        let next = writer.frame(page: 2, commitSize: 3, fill: 4)
        writer.write(next, at: writer.offset(5), piece: piece)
        #expect(writer.commits.map(\.lastFrame) == [1, 4, 5])
        // Withdrawn and written anew: the chain is taken up behind the unsealed frames.
        writer.rollBack(to: chain, frame: frame)
        #expect(
            writer.write(writer.frame(page: 3, commitSize: 3, fill: 5), at: writer.offset(5), piece: piece)
                == [2]
        )
        #expect(writer.commits.map(\.lastFrame) == [1, 4, 5])
        #expect(writer.commits.last?.pages.map(\.number.rawValue) == [3])
    }

    @Test
    func `Headers that are sealed after the commit withdraw nothing, and the chain goes on from the last`()
        throws
    {
        let writer = try LogWriter()
        writer.write(writer.headerBytes, at: 0)
        for frame in 1...UInt32(4) {
            let bytes = writer.unsealedFrame(page: frame, commitSize: frame == 4 ? 4 : 0, fill: UInt8(frame))
            writer.write(bytes, at: writer.offset(frame))
        }
        #expect(writer.commits.map(\.lastFrame) == [4])
        // SQLite starts with the zeros of frame 2.
        var chain = writer.chain
        chain.resume(at: WALChecksum())
        writer.rollBack(to: chain, frame: 2)
        for frame in 3...UInt32(4) {
            let bytes = writer.frame(page: frame, commitSize: frame == 4 ? 4 : 0, fill: UInt8(frame))
            #expect(writer.write(Array(bytes[..<24]), at: writer.offset(frame)).isEmpty)
        }
        writer.write(writer.frame(page: 1, commitSize: 4, fill: 8), at: writer.offset(5))
        #expect(writer.commits.map(\.lastFrame) == [4, 5])
        #expect(writer.capture.frames == [1, 2, 3, 4, 1])
    }

    @Test
    func `A repeated frame whose header is sealed after the commit withdraws nothing`() throws {
        let writer = try LogWriter()
        writer.write(writer.headerBytes, at: 0)
        writer.write(writer.frame(page: 1, commitSize: 1, fill: 1), at: writer.offset(1))
        let chain = writer.chain
        writer.write(writer.unsealedFrame(page: 1, commitSize: 1, fill: 1), at: writer.offset(2))
        #expect(writer.capture.frames == [1, 1])
        writer.rollBack(to: chain, frame: 1)
        let bytes = writer.frame(page: 1, commitSize: 1, fill: 1)
        #expect(writer.write(Array(bytes[..<24]), at: writer.offset(2)).isEmpty)
        #expect(writer.capture.frames == [1, 1])
        writer.write(writer.frame(page: 1, commitSize: 1, fill: 2), at: writer.offset(3))
        #expect(writer.commits.map(\.lastFrame) == [1, 3])
    }

    @Test
    func `Another header, or a page, over an unsealed transaction withdraws it`() throws {
        for isPage in [false, true] {
            let writer = try LogWriter()
            writer.write(writer.headerBytes, at: 0)
            let start = writer.chain
            writer.write(writer.unsealedFrame(page: 1, fill: 1), at: writer.offset(1))
            writer.write(writer.unsealedFrame(page: 2, commitSize: 2, fill: 1), at: writer.offset(2))
            writer.rollBack(to: start, frame: 0)
            let other = writer.frame(page: isPage ? 1 : 7, commitSize: isPage ? 0 : 7, fill: 5)
            #expect(writer.write(Array(other[..<24]), at: writer.offset(1)).isEmpty == isPage)
            #expect(writer.write(Array(other[24...]), at: writer.offset(1) + 24).isEmpty == !isPage)
            #expect(writer.commits.map(\.lastFrame) == (isPage ? [] : [1]))
        }
    }
}
