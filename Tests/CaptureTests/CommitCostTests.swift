import Capture
import SQLiteFormat
import Testing

/// What a commit costs must not depend on what the log or the database holds.
struct CommitCostTests {
    @Test
    func `A commit of one page costs the same in a long log as in a short one`() throws {
        let writer = try LogWriter()
        writer.write(writer.headerBytes, at: 0)
        let clock = ContinuousClock()
        var times: [Duration] = []
        let rounds = 40
        for round in 0..<rounds {
            times.append(
                clock.measure {
                    for number in 0..<4000 {
                        let frame = writer.frame(page: 1, commitSize: 1, fill: UInt8(number & 0xff))
                        writer.write(frame, at: writer.offset(writer.frameCount))
                    }
                }
            )
            #expect(writer.capture.committedFrames == UInt32((round + 1) * 4000))
        }
        // Copying 600 KB for each commit would make it far more than ten times as slow.
        let early = try #require(times.prefix(rounds / 2).min())
        let late = try #require(times.suffix(rounds / 2).min())
        #expect(late < early * 5, "\(early) and \(late)")
    }

    @Test
    func `A few pages at the end of a large database cost what a few pages cost`() throws {
        var set = PageSet()
        let elapsed = ContinuousClock()
            .measure {
                for round in 0..<2000 {
                    for page in 0..<10 { set.insert(PageNumber(4_000_000_000 + UInt32(round * 640 + page))) }
                    var candidates = set
                    candidates.formUnion(set)
                    var count = 0
                    let add: (PageNumber) -> Void = { _ in count += 1 }
                    candidates.visitPages(add)
                    #expect(count == 10)
                    set.removeAll()
                }
            }
        // A bit for each page would be 500 MB each time.
        #expect(elapsed < .seconds(20))
    }

    @Test
    func `A frame that breaks the chain is not read again for each write behind it`() throws {
        let writer = try LogWriter()
        writer.write(writer.headerBytes, at: 0)
        var broken = writer.frame(page: 1, fill: 1)
        broken[100] ^= 1
        writer.write(broken, at: writer.offset(1))
        var reads = 0
        for number in 2...UInt32(1000) {
            let frame = writer.frame(page: number, fill: 2)
            frame.withUnsafeBytes { bytes in
                writer.log.write(bytes, at: writer.offset(number))
                writer.capture.wrote(bytes, at: writer.offset(number))
                let commit = writer.capture.nextCommit(after: (bytes, writer.offset(number))) {
                    buffer,
                    offset in
                    reads += 1
                    return writer.log.read(into: buffer, at: offset)
                }
                #expect(commit == nil)
            }
        }
        #expect(reads == 0)
    }
}
