import Capture
import SQLiteFormat
import Testing

/// Writes a log by hand into a shadow, and shows each write to a capture, in pieces of any size.
final class LogWriter {
    let capture: WALCapture
    let log = Shadow()
    private(set) var chain: WALChain
    private(set) var frameCount: UInt32 = 0
    private(set) var commits: [WALCapture.Commit] = []
    private let header: WALHeader
    let pageSize: PageSize

    init(pageSize: UInt32 = 512, bigEndian: Bool = false, capture: WALCapture = WALCapture()) throws {
        let size = try #require(PageSize(pageSize))
        self.capture = capture
        self.pageSize = size
        header = WALHeader(
            pageSize: size,
            checkpointSequence: 0,
            salt1: 7,
            salt2: 9,
            bigEndianChecksums: bigEndian
        )
        chain = WALChain(startOf: header)
    }

    var headerBytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: WALHeader.size)
        bytes.withUnsafeMutableBytes { header.encode(into: $0) }
        return bytes
    }

    /// The bytes of a log of three transactions of 1, 3 and 2 frames.
    func sample() -> [UInt8] {
        headerBytes + frame(page: 1, commitSize: 1, fill: 1)
            + frame(page: 3, fill: 2) + frame(page: 2, fill: 3) + frame(page: 3, commitSize: 3, fill: 4)
            + frame(page: 2, fill: 5) + frame(page: 1, commitSize: 2, fill: 6)
    }

    /// The bytes of the next frame; the writer counts it as written.
    func frame(page: UInt32, commitSize: UInt32 = 0, fill: UInt8) -> [UInt8] {
        var bytes = [UInt8](repeating: fill, count: WALFrames.frameSize(pageSize))
        bytes.withUnsafeMutableBytes { all in
            let data = UnsafeRawBufferPointer(rebasing: all[WALFrameHeader.size...])
            let head = UnsafeMutableRawBufferPointer(rebasing: all[..<WALFrameHeader.size])
            chain.seal(page: PageNumber(page), commitSize: commitSize, data: data, into: head)
        }
        frameCount += 1
        return bytes
    }

    /// The bytes of the next frame without salts and checksum; the chain does not notice it.
    func unsealedFrame(page: UInt32, commitSize: UInt32 = 0, fill: UInt8) -> [UInt8] {
        let before = chain
        var bytes = frame(page: page, commitSize: commitSize, fill: fill)
        bytes.replaceSubrange(8..<24, with: repeatElement(0, count: 16))
        chain = before
        return bytes
    }

    /// Goes back to an earlier frame, as a rollback does.
    func rollBack(to chain: WALChain, frame: UInt32) {
        self.chain = chain
        frameCount = frame
    }

    /// Offset of a frame.
    func offset(_ frame: UInt32) -> Int64 { WALFrames.offset(ofFrame: frame, pageSize: pageSize) }

    /// Writes bytes in pieces of at most `piece` bytes, as a daemon would get them.
    ///
    /// - Returns: the pages that were withdrawn.
    @discardableResult
    func write(_ bytes: [UInt8], at offset: Int64, piece: Int = .max) -> [UInt32] {
        var withdrawn: [UInt32] = []
        bytes.withUnsafeBytes { all in
            var start = 0
            while start < all.count {
                let end = min(all.count, start + min(piece, all.count))
                withdrawn += write(
                    UnsafeRawBufferPointer(rebasing: all[start..<end]),
                    at: offset + Int64(start)
                )
                start = end
            }
        }
        return withdrawn
    }

    private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) -> [UInt32] {
        var withdrawn: [UInt32] = []
        if capture.touchesHeader(at: offset) {
            log.write(bytes, at: offset)
            if capture.headerWritten(read: log.read) == .rewritten { commits = [] }
        } else {
            if let frame = capture.firstCommittedFrame(overwrittenBy: bytes, at: offset, read: log.read) {
                withdrawn = capture.withdraw(from: frame, read: log.read)
                commits.removeAll { $0.lastFrame >= frame }
            }
            log.write(bytes, at: offset)
        }
        capture.wrote(bytes, at: offset)
        while let commit = capture.nextCommit(after: (bytes, offset), read: log.read) {
            commits.append(commit)
        }
        return withdrawn
    }
}
