import LTX
import SQLiteFormat

// Beginnings and ends of a log.
extension WALCapture {
    /// What a write to the header meant.
    public enum HeaderChange: Sendable {
        /// The log starts anew, or has no sound header; frames that it held before are no longer part of it.
        case restarted
        /// The same header was written again: the log has no frames, and those that were captured are withdrawn.
        case rewritten
    }

    /// Notes that the header was written: call after the write, also when it failed.
    ///
    /// Captured frames must be forgotten by the owner first (`frames` still holds them); afterwards there are none. A
    /// write that goes on behind the header is noted with `wrote` after this.
    public func headerWritten(read: Read) -> HeaderChange {
        let previous = header
        end()
        withUnsafeTemporaryAllocation(byteCount: WALHeader.size, alignment: 8) { bytes in
            guard read(bytes, 0) == bytes.count, let header = try? WALHeader(UnsafeRawBufferPointer(bytes))
            else { return }
            self.header = header
            committedChain = WALChain(startOf: header)
        }
        return header != nil && header == previous ? .rewritten : .restarted
    }

    /// The log is gone or empty.
    public func end() {
        header = nil
        frames.removeAll(keepingCapacity: frames.count <= 8192)
        framesBeforeLastCommit = 0
        isLastCommitUnsealed = false
        isChainUnknown = false
        committedChain = nil
        lastCommitFrame = nil
        published = 0
        forgetPending()
    }

    /// The log was cut to `size` bytes, which may end pending frames.
    ///
    /// Nothing committed may lie beyond. Captured frames stay: the header must not be read again after this.
    public func truncated(to size: Int64) {
        guard let pageSize else { return }
        let whole = Int(WALFrames.count(fileSize: size, pageSize: pageSize))
        let keep = max(0, whole - frames.count)
        if keep < pending.count { pending.removeLast(pending.count - keep) }
        writtenEnd = min(writtenEnd, size)
        brokenFrame = 0
        lastHeaderOffset = -1
    }

    /// Takes back the commits from the one that holds `frame` on, because SQLite is about to write over it.
    ///
    /// - Parameters:
    ///   - frame: a committed frame; for others nothing is taken back.
    ///   - read: reads the log, before that write.
    /// - Returns: the pages that they changed, in the order of frames.
    public func withdraw(from frame: UInt32, read: Read) -> [UInt32] {
        guard header != nil, frame > 0, frame <= committedFrames else { return [] }
        // The last frame before `frame` that commits is the new end.
        var end = frame - 1
        while end > 0, !takeUpChain(at: end, read) { end -= 1 }
        if end == 0 { startChain() }
        let pages = Array(frames[Int(end)...])
        frames.removeLast(frames.count - Int(end))
        framesBeforeLastCommit = min(framesBeforeLastCommit, Int(end))
        isLastCommitUnsealed = false
        forgetPending()
        return pages
    }

    /// Takes over a log that already holds frames: those up to `frame` count as captured, the rest as just written.
    ///
    /// Then ask for `nextCommit` until there is none.
    ///
    /// - Parameters:
    ///   - content: what the log holds.
    ///   - frame: a frame of `content` that commits, or 0; if it lies beyond, all of `content` counts as captured.
    ///   - fileSize: size of the log in bytes.
    ///   - read: reads the log.
    public func resume(_ content: WALContent, capturedThrough frame: UInt32, fileSize: Int64, read: Read) {
        end()
        guard let header = content.header else { return }
        self.header = header
        let frame = min(frame, UInt32(content.frames.count))
        if frame == 0 {
            startChain()
        } else if !takeUpChain(at: frame, read) {
            return end()
        }
        frames = Array(content.frames.prefix(Int(frame)))
        writtenEnd = fileSize
    }

    /// Notes that frames up to one were written, without saying how.
    ///
    /// Then ask for `nextCommit` until there is none.
    ///
    /// - Parameters:
    ///   - frame: the last one that may be looked at.
    ///   - isPublished: whether the wal-index says that all of them are committed. Then frames that SQLite left unsealed count, too.
    public func appeared(through frame: UInt32, isPublished: Bool) {
        forgetPending()
        published = isPublished ? frame : 0
        guard let pageSize, frame > 0 else { return }
        writtenEnd =
            WALFrames.offset(ofFrame: frame, pageSize: pageSize) + Int64(WALFrames.frameSize(pageSize))
    }

    /// The last captured frame that commits and has this checksum in its header; nil when there is none.
    public func frame(endingWith checksum: WALChecksum, read: Read) -> UInt32? {
        guard let pageSize else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: WALFrameHeader.size, alignment: 8) { bytes in
            var frame = committedFrames
            while frame > 0 {
                let offset = WALFrames.offset(ofFrame: frame, pageSize: pageSize)
                guard read(bytes, offset) == bytes.count,
                    let fields = try? WALFrameHeader(UnsafeRawBufferPointer(bytes))
                else { return nil }
                if fields.isCommit, fields.checksum == checksum { return frame }
                frame -= 1
            }
            return nil
        }
    }

    /// Whether the captured frames end with this checksum, as far as that is known.
    public func endsWith(_ checksum: WALChecksum) -> Bool {
        isChainUnknown || isLastCommitUnsealed || committedChain?.checksum == checksum
    }

    /// Takes over frames that the wal-index says are committed, whatever was captured before.
    ///
    /// - Returns: false, and no frames, when the log does not have them.
    public func takeOver(through frame: UInt32, _ checksum: WALChecksum, read: Read) -> Bool {
        guard let header else { return false }
        var pages: [UInt32] = []
        // A count from outside: room comes with the frames that are read.
        pages.reserveCapacity(min(Int(frame), 1 << 16))
        let isRead = withUnsafeTemporaryAllocation(byteCount: WALFrameHeader.size, alignment: 8) { bytes in
            while pages.count < Int(frame) {
                let offset = WALFrames.offset(ofFrame: UInt32(pages.count + 1), pageSize: header.pageSize)
                guard read(bytes, offset) == bytes.count,
                    let fields = try? WALFrameHeader(UnsafeRawBufferPointer(bytes))
                else { return false }
                pages.append(fields.page.rawValue)
            }
            return true
        }
        startChain()
        forgetPending()
        isLastCommitUnsealed = false
        frames = isRead ? pages : []
        framesBeforeLastCommit = 0
        if !frames.isEmpty { committedChain?.resume(at: checksum) }
        return isRead
    }

    private func startChain() {
        committedChain = header.map(WALChain.init(startOf:))
        isChainUnknown = false
        lastCommitFrame = nil
    }

    /// Continues the chain at a frame that commits; changes nothing when it does not, or cannot be read.
    private func takeUpChain(at frame: UInt32, _ read: Read) -> Bool {
        guard let header else { return false }
        let offset = WALFrames.offset(ofFrame: frame, pageSize: header.pageSize)
        guard let bytes = readFrame(at: offset, header.pageSize, read),
            let fields = try? WALFrameHeader(bytes.header),
            fields.isCommit
        else { return false }
        lastCommitFrame = CommitFrame(
            page: fields.page,
            checksum: PageChecksum.compute(fields.page, bytes.page),
            pageCount: fields.commitSize
        )
        isChainUnknown = fields.isUnsealed
        var chain = WALChain(startOf: header)
        chain.resume(at: fields.checksum)
        committedChain = chain
        return true
    }

    private func forgetPending() {
        pending.removeAll(keepingCapacity: pending.count <= 4096)
        brokenFrame = 0
        writtenEnd = 0
        lastHeaderOffset = -1
    }
}
