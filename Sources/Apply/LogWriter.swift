import POSIX
import SQLiteFormat

/// Writes the frames of one transaction after the other to a `-wal` file.
///
/// Frames are collected and written together. The last page is held back until it is known whether it ends the
/// transaction, because that is part of its checksum. Nothing that it writes counts before the frame with the commit
/// size is complete.
final class LogWriter {
    /// The pages of the transaction, in the order of their frames.
    private(set) var pages: [UInt32] = []

    /// Whether the commit frame may be in the file.
    private(set) var mayHaveCommitted = false

    private let file: OpenFile
    private let synchronous: Bool
    private let buffer = Buffer(count: 1 << 20)

    private var chain: WALChain
    /// The header of a log that has no frame yet; written before frame 1.
    private var header: WALHeader?
    /// The number of the first frame in the buffer.
    private var firstBuffered: UInt32 = 1
    /// The number of frames in the buffer, of which the last one has no header yet.
    private var buffered = 0
    private var firstFrame: UInt32 = 1
    /// The first error of the transaction; after it the frames cannot be completed.
    private var failure: ApplyError?

    /// Prepares for a transaction.
    ///
    /// - Parameters:
    ///   - file: the log.
    ///   - chain: its chain up to the last commit.
    ///   - synchronous: whether a new header is on disk before frames follow it.
    init(_ file: OpenFile, chain: WALChain, synchronous: Bool) {
        self.file = file
        self.chain = chain
        self.synchronous = synchronous
    }

    /// Starts after a committed frame, or with a new header at frame 1.
    func start(after frame: UInt32, chain: WALChain, header: WALHeader?) {
        precondition((frame == 0) == (header != nil), "a log starts with its header")
        self.chain = chain
        self.header = header
        firstFrame = frame + 1
        firstBuffered = firstFrame
        buffered = 0
        failure = nil
        mayHaveCommitted = false
        pages.removeAll(keepingCapacity: pages.capacity < 1 << 20)
    }

    /// Takes over a page.
    func append(_ page: PageNumber, _ data: UnsafeRawBufferPointer) throws(ApplyError) {
        if let failure { throw failure }
        guard page.rawValue != 0, page != chain.pageSize.lockPage, data.count == chain.pageSize.bytes else {
            throw ApplyError(file.name, .illegalPage(page, bytes: data.count))
        }
        guard pages.count < Int(UInt32.max - firstFrame) else { throw ApplyError(file.name, .logFull) }
        if buffered > 0 { sealLast(commitSize: 0) }
        if (buffered + 1) * frameSize > buffer.bytes.count { try flush() }
        frame(buffered).page.copyMemory(from: data)
        buffered += 1
        pages.append(page.rawValue)
    }

    /// Writes what is left, and with it the commit frame.
    ///
    /// - Returns: the chain, which ends with the commit frame.
    func finish(pageCount: UInt32) throws(ApplyError) -> WALChain {
        if let failure { throw failure }
        sealLast(commitSize: pageCount)
        mayHaveCommitted = true
        try flush()
        return chain
    }

    /// Breaks the chain before frames that count although their transaction was given up.
    ///
    /// The next transaction overwrites them anyway; this is for a crash before.
    func revoke() {
        guard mayHaveCommitted else { return }
        mayHaveCommitted = false
        let zeros: [UInt8] = Array(repeating: 0, count: WALFrameHeader.size)
        let offset = WALFrames.offset(ofFrame: firstFrame, pageSize: chain.pageSize)
        zeros.withUnsafeBytes { try? file.write($0, at: offset, passing: .applyRevokeWrite) }
    }

    private var frameSize: Int { WALFrames.frameSize(chain.pageSize) }

    private func frame(
        _ place: Int
    ) -> (header: UnsafeMutableRawBufferPointer, page: UnsafeMutableRawBufferPointer) {
        let start = place * frameSize
        let middle = start + WALFrameHeader.size
        return (
            UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[start..<middle]),
            UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[middle..<start + frameSize])
        )
    }

    private func sealLast(commitSize: UInt32) {
        guard let page = pages.last else { return }
        let last = frame(buffered - 1)
        chain.seal(
            page: PageNumber(rawValue: page),
            commitSize: commitSize,
            data: UnsafeRawBufferPointer(last.page),
            into: last.header
        )
    }

    private func flush() throws(ApplyError) {
        do throws(ApplyError) {
            if let header { try write(header) }
            header = nil
            try file.write(
                UnsafeRawBufferPointer(rebasing: buffer.bytes[..<(buffered * frameSize)]),
                at: WALFrames.offset(ofFrame: firstBuffered, pageSize: chain.pageSize),
                passing: .applyFrameWrite
            )
        } catch {
            failure = error
            throw error
        }
        firstBuffered += UInt32(buffered)
        buffered = 0
    }

    /// Writes the header of a log that starts again.
    ///
    /// It must not reach the disk after its frames: the old header would make the rest of the old log count.
    private func write(_ header: WALHeader) throws(ApplyError) {
        let result = withUnsafeTemporaryAllocation(byteCount: WALHeader.size, alignment: 8) { bytes in
            header.encode(into: bytes)
            return Result { () throws(ApplyError) in
                try file.write(UnsafeRawBufferPointer(bytes), at: 0, passing: .applyHeaderWrite)
            }
        }
        try result.get()
        if synchronous { try file.synchronize(passing: .applyHeaderSync) }
    }
}
