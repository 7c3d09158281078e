import LTX
import SQLiteFormat

// Writes to the frames, and the transactions that they complete.
extension WALCapture {
    /// Notes a write that was carried out and touches no committed frame.
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
            return sealed(place.frame, bytes)
        }
        let index = max(Int(place.frame) - frames.count - 1, 0)
        if index < pending.count, !replace(index, place.byte, bytes) {
            pending.removeLast(pending.count - index)
        }
        if place.frame <= brokenFrame { brokenFrame = 0 }
        writtenEnd = max(writtenEnd, end)
        if place.byte == 0, bytes.count >= WALFrameHeader.size {
            lastHeader.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<WALFrameHeader.size]))
            lastHeaderOffset = offset
        } else if offset < lastHeaderOffset + Int64(WALFrameHeader.size), end > lastHeaderOffset {
            lastHeaderOffset = -1
        }
    }

    /// Notes a header that was written to a committed frame; that of the last one continues the chain.
    private func sealed(_ frame: UInt32, _ header: UnsafeRawBufferPointer) {
        guard frame == committedFrames, let fields = try? WALFrameHeader(header) else { return }
        committedChain?.resume(at: fields.checksum)
        isLastCommitUnsealed = false
        isChainUnknown = false
    }

    /// Takes over the new page of an unsealed frame: its header needs not to match.
    private func replace(_ index: Int, _ byte: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
        guard !pending[index].isSealed, byte == WALFrameHeader.size, bytes.count == pageSize?.bytes else {
            return false
        }
        pending[index].checksum = PageChecksum.compute(pending[index].page, bytes)
        return true
    }

    /// The next transaction that is complete, or nil.
    ///
    /// - Parameters:
    ///   - write: the bytes and offset of the write just noted, so that they need not be read again.
    ///   - read: reads the log.
    /// - Returns: nil until a write completes one more transaction.
    public func nextCommit(
        after write: (bytes: UnsafeRawBufferPointer, offset: Int64)?,
        read: Read
    ) -> Commit? {
        guard let header, var chain = committedChain else { return nil }
        var isUnknown = isChainUnknown
        if let last = pending.last {
            chain.resume(at: last.chain)
            isUnknown = last.isChainUnknown
        }
        let frameSize = Int64(WALFrames.frameSize(header.pageSize))
        while true {
            let number = UInt32(frames.count + pending.count + 1)
            let offset = WALFrames.offset(ofFrame: number, pageSize: header.pageSize)
            guard writtenEnd >= offset + frameSize, number != brokenFrame,
                let frame = frame(at: offset, header.pageSize, write, read)
            else { return nil }
            guard let fields = try? WALFrameHeader(frame.header) else { return stop(at: number) }
            if fields.isUnsealed {
                guard isVouched(number, offset..<offset + frameSize, by: write) else { return nil }
            } else if let next = chain.extended(header: frame.header, page: frame.page)
                ?? (isUnknown ? chain.restarted(header: frame.header, page: frame.page) : nil)
            {
                chain = next
                isUnknown = false
            } else {
                guard isUnknown, chain.hasSalts(of: fields) else { return stop(at: number) }
                guard isVouched(number, offset..<offset + frameSize, by: write) else { return nil }
                chain.resume(at: fields.checksum)
                isUnknown = false
            }
            let checksum = PageChecksum.compute(fields.page, frame.page)
            pending.append(
                PendingFrame(
                    page: fields.page,
                    checksum: checksum,
                    chain: chain.checksum,
                    isSealed: !fields.isUnsealed,
                    isChainUnknown: isUnknown
                )
            )
            if fields.isCommit, let commit = take(chain, header.pageSize, fields.commitSize) { return commit }
        }
    }

    /// Whether a frame is all there although its checksum proves nothing: the wal-index says it, or a write completes the frame.
    ///
    /// The frames behind one that was rewritten get their headers next, and are not looked at before.
    private func isVouched(
        _ number: UInt32,
        _ frame: Range<Int64>,
        by write: (bytes: UnsafeRawBufferPointer, offset: Int64)?
    ) -> Bool {
        if number <= published { return true }
        guard let write else { return false }
        return write.offset < frame.upperBound && write.offset + Int64(write.bytes.count) >= frame.upperBound
    }

    private func stop(at frame: UInt32) -> Commit? {
        brokenFrame = frame
        return nil
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
            pages.append(
                Page(
                    number: frame.page,
                    frame: FramePlace(committedFrames, in: file),
                    checksum: frame.checksum
                )
            )
        }
        isLastCommitUnsealed = pending.contains { !$0.isSealed } || isPadding && isLastCommitUnsealed
        committedChain = chain
        isChainUnknown = !last.isSealed
        lastCommitFrame = commitFrame
        pending.removeAll(keepingCapacity: pending.count <= 4096)
        // What a write brought beyond this frame still counts; without it, so does a log that was taken over.
        if writtenEnd <= capturedBytes { writtenEnd = 0 }
        if isPadding { return nil }
        pages.keepNewestVersions()
        return Commit(
            pages: pages,
            pageCount: pageCount,
            file: file,
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

extension WALFrameHeader {
    /// Whether SQLite left salts and checksum for later.
    var isUnsealed: Bool { salt1 == 0 && salt2 == 0 && checksum == WALChecksum() }
}

extension WALChain {
    /// The chain with a frame that continues the zeros of an unsealed frame, as headers do that are rewritten behind one.
    func restarted(header: UnsafeRawBufferPointer, page: UnsafeRawBufferPointer) -> WALChain? {
        var zeros = self
        zeros.resume(at: WALChecksum())
        return zeros.extended(header: header, page: page)
    }

    func hasSalts(of header: WALFrameHeader) -> Bool { header.salt1 == salt1 && header.salt2 == salt2 }
}
