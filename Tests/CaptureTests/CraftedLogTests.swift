import Capture
import LTX
import POSIX
import SQLiteFormat
import Testing

/// Logs that were written by hand: what SQLite does not write, or not often.
struct CraftedLogTests {
    @Test(arguments: [false, true], [1, 7, 24, 31, 32, 33, 100, 512, 536, 568, 1000, 1 << 20])
    func `Writes of any size give the same transactions`(bigEndian: Bool, piece: Int) throws {
        let writer = try LogWriter(bigEndian: bigEndian)
        writer.write(writer.sample(), at: 0, piece: piece)
        #expect(writer.commits.map(\.pageCount) == [1, 3, 2])
        #expect(writer.commits.map { $0.pages.map(\.number.rawValue) } == [[1], [2, 3], [1, 2]])
        #expect(writer.commits.map { $0.pages.map(\.frame) } == [[1], [3, 4], [6, 5]])
        #expect(writer.commits.map(\.firstFrame) == [1, 2, 5])
        #expect(writer.commits.map(\.lastFrame) == [1, 4, 6])
        #expect(writer.capture.frames == [1, 3, 2, 3, 2, 1])
        #expect(Array(writer.capture.lastTransaction) == [2, 1])
        #expect(writer.capture.capturedBytes == Int64(writer.log.size))
    }

    @Test
    func `Writes in any order give the same transactions`() throws {
        let model = try LogWriter()
        let bytes = model.sample()
        let seed = UInt64.random(in: 0 ... .max)
        print("seed \(seed)")
        var random = Random(seed: seed)
        for _ in 0..<200 {
            let writer = try LogWriter()
            // Not zeros: with them, frames would be complete before pieces that are zeros are written.
            writer.log.write([UInt8](repeating: 0xee, count: bytes.count), at: 0)
            writer.write(Array(bytes[..<32]), at: 0)
            var pieces: [(Int, Int)] = []
            var start = 32
            while start < bytes.count {
                let end = min(bytes.count, start + Int.random(in: 1...700, using: &random))
                pieces.append((start, end))
                start = end
            }
            for (start, end) in pieces.shuffled(using: &random) {
                writer.write(Array(bytes[start..<end]), at: Int64(start))
            }
            #expect(writer.commits.map(\.lastFrame) == [1, 4, 6])
        }
    }

    @Test
    func `A transaction that never commits gives nothing, and a rollback forgets it`() throws {
        let writer = try LogWriter()
        writer.write(writer.headerBytes, at: 0)
        let (chain, count) = (writer.chain, writer.frameCount)
        for number in 1...1000 {
            writer.write(
                writer.frame(page: UInt32(number), fill: 1),
                at: writer.offset(UInt32(number)),
                piece: 24
            )
        }
        #expect(writer.commits.isEmpty)
        #expect(writer.capture.committedFrames == 0)
        writer.rollBack(to: chain, frame: count)
        writer.write(writer.frame(page: 2, commitSize: 2, fill: 9), at: writer.offset(1), piece: 24)
        #expect(writer.commits.map { $0.pages.map(\.number.rawValue) } == [[2]])
        #expect(writer.capture.frames == [2])
    }

    @Test
    func `Frames of page 0, other salts or a wrong checksum end the chain`() throws {
        for byte in [3, 8, 12, 16, 23, 24, 535] {
            let writer = try LogWriter()
            writer.write(writer.headerBytes, at: 0)
            var frame = writer.frame(page: 1, commitSize: 1, fill: 0)
            frame[byte] ^= 1
            writer.write(frame, at: writer.offset(1))
            writer.write(writer.frame(page: 2, commitSize: 2, fill: 7), at: writer.offset(2))
            #expect(writer.commits.isEmpty, "byte \(byte)")
            frame[byte] ^= 1
            writer.write(frame, at: writer.offset(1))
            #expect(writer.commits.map(\.lastFrame) == [1, 2])
        }
    }

    @Test
    func `Pages beyond the end and the lock page are no part of a transaction`() throws {
        let writer = try LogWriter()
        writer.write(writer.headerBytes, at: 0)
        let lockPage = writer.pageSize.lockPage.rawValue
        let frames =
            writer.frame(page: lockPage + 2, fill: 1) + writer.frame(page: lockPage, fill: 2)
            + writer.frame(page: 1, commitSize: lockPage + 1, fill: 3)
        writer.write(frames, at: writer.offset(1))
        #expect(writer.commits.first?.pages.map(\.number.rawValue) == [1])
        #expect(writer.capture.frames == [lockPage + 2, lockPage, 1])
    }

    @Test
    func `A commit that is overwritten is withdrawn, with those after it`() throws {
        let writer = try LogWriter()
        let bytes = writer.sample()
        for (frame, kept) in [(UInt32(1), 0), (2, 1), (3, 1), (4, 1), (5, 2), (6, 2)] {
            let writer = try LogWriter()
            _ = writer.sample()
            writer.write(bytes, at: 0)
            let start = Int(writer.offset(frame))
            let end = [0, 1, 4, 6][kept]
            #expect(
                writer.write([0xff], at: Int64(start))
                    == [1, 3, 2, 3, 2, 1].dropFirst(end).map { UInt32($0) }
            )
            #expect(writer.commits.count == kept)
            #expect(writer.capture.committedFrames == UInt32(end))
            // Written once more as it was, the first of them is complete again; behind it nothing was written.
            writer.write([bytes[start]], at: Int64(start))
            writer.write(Array(bytes[start...]), at: Int64(start), piece: 100)
            #expect(writer.commits.map(\.lastFrame) == [1, 4, 6])
        }
        #expect(WALCapture().withdraw(from: 1, read: writer.log.read).isEmpty)
    }

    @Test
    func `The same header again withdraws all, another restarts, half a header ends the log`() throws {
        let writer = try LogWriter()
        let bytes = writer.sample()
        writer.write(bytes, at: 0)
        #expect(writer.capture.headerWritten(read: writer.log.read) == .rewritten)
        #expect(writer.capture.header != nil)
        #expect(writer.capture.frames.isEmpty)
        writer.log.write([0], at: 0)
        #expect(writer.capture.headerWritten(read: writer.log.read) == .restarted)
        #expect(writer.capture.header == nil)
        #expect(writer.capture.capturedBytes == 0)
        writer.write(Array(bytes[32...]), at: 32)
        #expect(writer.capture.frames.isEmpty)
    }

    @Test
    func `A failed write leaves nothing of the frame that it touched`() throws {
        let writer = try LogWriter()
        writer.write(writer.headerBytes, at: 0)
        let frame = writer.frame(page: 1, commitSize: 1, fill: 1)
        writer.write(Array(frame[..<24]), at: 32)
        // The header fails to be written again: half of it reached the file.
        writer.log.write([UInt8](repeating: 9, count: 8), at: 32)
        writer.capture.wrote(UnsafeRawBufferPointer(start: nil, count: 0), at: 32)
        writer.write(Array(frame[24...]), at: 56)
        #expect(writer.commits.isEmpty)
        writer.write(Array(frame[..<24]), at: 32)
        #expect(writer.commits.count == 1)
    }

    @Test
    func `Offsets beyond all frames are no frames`() throws {
        let writer = try LogWriter()
        writer.write(writer.sample(), at: 0)
        [UInt8](repeating: 0, count: 24)
            .withUnsafeBytes { bytes in
                for offset in [Int64(5) << 32, Int64(536) << 32, Int64.max - 24] {
                    #expect(writer.capture.firstCommittedFrame(touchedAt: offset) == nil)
                    writer.capture.wrote(bytes, at: offset)
                    #expect(writer.capture.nextCommit(after: (bytes, offset), read: writer.log.read) == nil)
                }
            }
        writer.write(writer.frame(page: 1, commitSize: 2, fill: 8), at: writer.offset(7), piece: 24)
        #expect(writer.commits.count == 4)
    }

    @Test
    func `Truncation behind the captured frames keeps them`() throws {
        let writer = try LogWriter()
        writer.write(writer.sample(), at: 0)
        let (chain, size) = (writer.chain, writer.log.size)
        writer.write(writer.frame(page: 5, fill: 7) + writer.frame(page: 6, fill: 7), at: Int64(size))
        writer.log.truncate(to: Int64(size) + 536)
        writer.capture.truncated(to: Int64(size) + 536)
        writer.write(writer.frame(page: 7, commitSize: 7, fill: 7), at: writer.offset(9))
        #expect(writer.commits.count == 3)
        writer.rollBack(to: chain, frame: 6)
        writer.write(writer.frame(page: 1, commitSize: 2, fill: 8), at: writer.offset(7), piece: 24)
        #expect(writer.commits.count == 4)
        #expect(writer.capture.committedFrames == 7)
    }
}
