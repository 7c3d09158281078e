import LTX
import SQLiteFormat

// Writes to the frames, and the transactions that they complete.
extension WALCapture {
    /// Notes a write that was carried out and changed no committed frame.
    ///
    /// Then ask for `nextCommit`. Of a write that begins in the log's header, after `headerWritten`, the part behind the
    /// header counts. No bytes at all stand for a write that failed: how much of it reached the file is not known.
    public func wrote(_ bytes: UnsafeRawBufferPointer, at offset: Int64) {
        let end = offset + Int64(bytes.count)
        if touchesHeader(at: offset) {
            guard end > Int64(WALHeader.size) else { return }
            let frames = UnsafeRawBufferPointer(rebasing: bytes[(WALHeader.size - Int(offset))...])
            return wrote(frames, at: Int64(WALHeader.size))
        }
        guard let pageSize, let place = WALFrames.frame(atOffset: offset, pageSize: pageSize) else { return }
        if bytes.isEmpty {
            lastHeaderOffset = -1
        } else if end <= capturedBytes {
            return
        }
        let index = max(Int(place.frame) - frames.count - 1, 0)
        if index < pending.count { pending.removeLast(pending.count - index) }
        if place.frame <= brokenFrame { brokenFrame = 0 }
        writtenEnd = max(writtenEnd, end)
        if place.byte == 0, bytes.count >= WALFrameHeader.size {
            lastHeader.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<WALFrameHeader.size]))
            lastHeaderOffset = offset
        } else if offset < lastHeaderOffset + Int64(WALFrameHeader.size), end > lastHeaderOffset {
            lastHeaderOffset = -1
        }
    }

    /// The next transaction that is complete, or nil.
    ///
    /// - Parameter write: the bytes and offset of the write just noted, so that they need not be read again.
    public func nextCommit(
        after write: (bytes: UnsafeRawBufferPointer, offset: Int64)?,
        read: Read
    ) -> Commit? {
        guard let header, var chain = committedChain else { return nil }
        if let last = pending.last { chain.resume(at: last.chain) }
        let frameSize = Int64(WALFrames.frameSize(header.pageSize))
        while true {
            let number = UInt32(frames.count + pending.count + 1)
            let offset = WALFrames.offset(ofFrame: number, pageSize: header.pageSize)
            guard writtenEnd >= offset + frameSize, number != brokenFrame,
                let frame = frame(at: offset, header.pageSize, write, read)
            else { return nil }
            guard let next = chain.extended(header: frame.header, page: frame.page),
                let fields = try? WALFrameHeader(frame.header)
            else {
                brokenFrame = number
                return nil
            }
            let checksum = PageChecksum.compute(fields.page, frame.page)
            pending.append(PendingFrame(page: fields.page, checksum: checksum, chain: next.checksum))
            chain = next
            if fields.isCommit, let commit = take(chain, header.pageSize, fields.commitSize) { return commit }
        }
    }

    /// Turns the pending frames, the last of which commits, into a transaction; nil when they are padding.
    private func take(_ chain: WALChain, _ pageSize: PageSize, _ pageCount: UInt32) -> Commit? {
        guard let last = pending.last else { return nil }
        let end = frames.count + pending.count
        let commitFrame = CommitFrame(page: last.page, checksum: last.checksum, pageCount: pageCount)
        let isPadding = pending.count == 1 && commitFrame == lastCommitFrame
        var pages: [Page] = []
        if !isPadding {
            framesBeforeLastCommit = frames.count
            pages.reserveCapacity(pending.count)
        }
        for frame in pending {
            frames.append(frame.page.rawValue)
            if isPadding || frame.page.rawValue > pageCount || frame.page == pageSize.lockPage { continue }
            pages.append(Page(number: frame.page, frame: committedFrames, checksum: frame.checksum))
        }
        committedChain = chain
        lastCommitFrame = commitFrame
        pending.removeAll(keepingCapacity: pending.count <= 4096)
        // What a write brought beyond this frame still counts; without it, so does a log that was taken over.
        if writtenEnd <= capturedBytes { writtenEnd = 0 }
        if isPadding { return nil }
        pages.keepNewestVersions()
        return Commit(
            pages: pages,
            pageCount: pageCount,
            firstFrame: UInt32(framesBeforeLastCommit + 1),
            lastFrame: UInt32(end)
        )
    }

    /// Header and page of a frame, from the write at hand and the last header seen, or from the file.
    private func frame(
        at offset: Int64,
        _ pageSize: PageSize,
        _ write: (bytes: UnsafeRawBufferPointer, offset: Int64)?,
        _ read: Read
    ) -> (header: UnsafeRawBufferPointer, page: UnsafeRawBufferPointer)? {
        let pageOffset = offset + Int64(WALFrameHeader.size)
        guard let write, lastHeaderOffset == offset, write.offset <= pageOffset,
            write.offset + Int64(write.bytes.count) >= pageOffset + Int64(pageSize.bytes)
        else { return readFrame(at: offset, pageSize, read) }
        let start = Int(pageOffset - write.offset)
        let page = UnsafeRawBufferPointer(rebasing: write.bytes[start..<start + pageSize.bytes])
        return (UnsafeRawBufferPointer(lastHeader), page)
    }
}
