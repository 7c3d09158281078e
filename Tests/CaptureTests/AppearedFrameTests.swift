import Capture
import SQLiteFormat
import Testing

/// Logs whose writes nobody saw: frames appear, and are looked for.
struct AppearedFrameTests {
    /// Writes without telling the capture.
    private func put(_ bytes: [UInt8], at offset: Int64, _ writer: LogWriter) {
        bytes.withUnsafeBytes { writer.log.write($0, at: offset) }
    }

    /// A log of three transactions, unseen but for its header.
    private func putSample(_ writer: LogWriter) {
        put(writer.sample(), at: 0, writer)
        _ = writer.capture.headerWritten(read: writer.log.read)
    }

    private func look(_ writer: LogWriter, through frame: UInt32, isPublished: Bool = true) -> [UInt32] {
        writer.capture.appeared(through: frame, isPublished: isPublished)
        var ends: [UInt32] = []
        while let commit = writer.capture.nextCommit(after: nil, read: writer.log.read) {
            ends.append(commit.lastFrame)
        }
        return ends
    }

    @Test(arguments: [true, false])
    func `Frames are looked at as far as they may be, and each transaction is found once`(
        isPublished: Bool
    ) throws {
        let writer = try LogWriter()
        putSample(writer)
        #expect(look(writer, through: 0, isPublished: isPublished).isEmpty)
        #expect(look(writer, through: 3, isPublished: isPublished) == [1])
        #expect(writer.capture.frames == [1])
        #expect(look(writer, through: 4, isPublished: isPublished) == [4])
        #expect(look(writer, through: 100, isPublished: isPublished) == [6])
        #expect(look(writer, through: 100, isPublished: isPublished).isEmpty)
        #expect(writer.capture.frames == [1, 3, 2, 3, 2, 1])
        #expect(writer.capture.endsWith(writer.chain.checksum))
    }

    @Test
    func `A transaction whose frames were written again since the last look is read as it is now`() throws {
        let writer = try LogWriter()
        put(writer.headerBytes + writer.frame(page: 1, commitSize: 1, fill: 1), at: 0, writer)
        _ = writer.capture.headerWritten(read: writer.log.read)
        #expect(look(writer, through: 1, isPublished: false) == [1])
        let (chain, count) = (writer.chain, writer.frameCount)
        put(writer.frame(page: 2, fill: 2) + writer.frame(page: 3, fill: 3), at: writer.offset(2), writer)
        #expect(look(writer, through: 3, isPublished: false).isEmpty)
        writer.rollBack(to: chain, frame: count)
        put(
            writer.frame(page: 4, fill: 4) + writer.frame(page: 5, commitSize: 5, fill: 5),
            at: writer.offset(2),
            writer
        )
        #expect(look(writer, through: 3, isPublished: false) == [3])
        #expect(writer.capture.frames == [1, 4, 5])
    }

    @Test
    func `Frames that SQLite left unsealed count when the wal-index vouches for them`() throws {
        for isPublished in [true, false] {
            let writer = try LogWriter()
            put(
                writer.headerBytes + writer.frame(page: 1, commitSize: 1, fill: 1)
                    + writer.unsealedFrame(page: 2, fill: 2)
                    + writer.unsealedFrame(page: 3, commitSize: 3, fill: 3),
                at: 0,
                writer
            )
            _ = writer.capture.headerWritten(read: writer.log.read)
            #expect(look(writer, through: 3, isPublished: isPublished) == (isPublished ? [1, 3] : [1]))
        }
    }

    @Test
    func `What the wal-index says replaces what was captured`() throws {
        let writer = try LogWriter()
        putSample(writer)
        #expect(look(writer, through: 6) == [1, 4, 6])
        #expect(!writer.capture.endsWith(WALChecksum()))
        // The last transaction was taken back, and another one published in its place.
        let other = try LogWriter()
        put(
            other.headerBytes + other.frame(page: 1, commitSize: 1, fill: 1)
                + other.frame(page: 3, fill: 2) + other.frame(page: 2, fill: 3)
                + other.frame(page: 3, commitSize: 3, fill: 4) + other.frame(page: 7, commitSize: 7, fill: 9),
            at: 0,
            writer
        )
        #expect(writer.capture.takeOver(through: 5, other.chain.checksum, read: writer.log.read))
        #expect(writer.capture.frames == [1, 3, 2, 3, 7])
        put(other.frame(page: 2, commitSize: 7, fill: 8), at: other.offset(6), writer)
        #expect(look(writer, through: 6) == [6])
        // A log that is too short has nothing to take over.
        #expect(!writer.capture.takeOver(through: 50, other.chain.checksum, read: writer.log.read))
        #expect(writer.capture.committedFrames == 0)
    }
}
