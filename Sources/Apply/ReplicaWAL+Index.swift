import POSIX
import SQLiteFormat

extension ReplicaWAL {
    /// Writes a complete wal-index for a log, as SQLite's recovery would leave it.
    ///
    /// For a database that nobody uses: read marks are not looked at.
    ///
    /// - Parameters:
    ///   - content: what the log holds.
    ///   - file: the `-shm` file; gets a new content and size, a multiple of 32 KiB.
    /// - Throws: `ApplyError` when the file cannot be written.
    static func writeIndex(
        for content: WALContent,
        to file: borrowing FileDescriptor
    ) throws(ApplyError) {
        let frames = UInt32(content.frames.count)
        try IndexFile.write(
            [(.whole, content.frames)],
            WALIndexHeader(content: content, changeCounter: 1),
            to: file
        ) { index in
            index.resetCheckpointInformation(mxFrame: frames)
            if frames == 0 { index.setReadMark(1, to: WALIndex.unusedReadMark) }
        }
    }

    /// Makes the wal-index say what the log says.
    ///
    /// A daemon that was killed leaves one of these, while readers may live on: an index without the last commit,
    /// because the frames were complete but not published; a header that is half written; or an index that has
    /// restarted before the log's own header was written. The caller holds WRITE.
    func adoptIndex() throws(ApplyError) {
        try shared.reload()
        if let present = shared.index.readHeader() {
            published.changeCounter = present.changeCounter
            if agrees(with: present), shared.index.backfilled <= frameCount,
                shared.matchingEntries(frames) == frameCount
            {
                published = present
                if frames.isEmpty, present.pageCount != 0 { pageCount = present.pageCount }
                return
            }
            guard present.mxFrame == 0 || (isSameLog(present) && present.mxFrame <= frameCount) else {
                throw disagreement(present)
            }
            published.changeCounter &+= 1
        } else if !frames.isEmpty, shared.index.backfilled <= frameCount,
            shared.matchingEntries(frames) == frameCount
        {
            // A daemon died between the two copies. Readers wait for the holder of WRITE, and give up on that of RECOVER.
            published.changeCounter = shared.lastChangeCounter &+ 1
            return try shared.publish(published)
        }
        try shared.rebuild(pages: frames, header: published)
    }

    /// Checks at the start of a transaction that nobody else has changed the log.
    ///
    /// A reader that met a damaged index may have built it again. A program that may open the log for writing, and was refused, has
    /// begun it anew in the index, which SQLite does first, and only when the database file has all of it: that is taken back. The caller
    /// holds WRITE.
    func checkIndex() throws(ApplyError) {
        try shared.refresh()
        guard let present = shared.index.readHeader() else {
            published.changeCounter &+= 1
            try shared.rebuild(pages: frames, header: published)
            return
        }
        guard agrees(with: present) else {
            guard present.mxFrame == 0 else { throw disagreement(present) }
            published.changeCounter = present.changeCounter &+ 1
            return try shared.rebuild(pages: frames, header: published)
        }
        if present != published || shared.isStale { try shared.reload() }
        published = present
    }

    func agrees(with present: WALIndexHeader) -> Bool {
        guard present.mxFrame == frameCount else { return false }
        return frames.isEmpty || (isSameLog(present) && present.frameChecksum == chain.checksum)
    }

    private func isSameLog(_ present: WALIndexHeader) -> Bool {
        present.salt1 == chain.salt1 && present.salt2 == chain.salt2
    }

    private func disagreement(_ present: WALIndexHeader) -> ApplyError {
        ApplyError(
            shared.file.name,
            .indexDisagrees(logFrames: frameCount, indexFrames: present.mxFrame)
        )
    }
}

extension WALIndexHeader {
    /// The header that SQLite's recovery publishes for a log.
    init(content: WALContent, changeCounter: UInt32) {
        if let chain = content.chain, !content.frames.isEmpty {
            self.init(
                chain: chain,
                mxFrame: UInt32(content.frames.count),
                pageCount: content.pageCount,
                changeCounter: changeCounter
            )
        } else {
            self.init(
                changeCounter: changeCounter,
                bigEndianChecksums: content.header?.bigEndianChecksums ?? false,
                pageSize: nil,
                mxFrame: 0,
                pageCount: 0,
                frameChecksum: WALChecksum(),
                salt1: content.header?.salt1 ?? 0,
                salt2: content.header?.salt2 ?? 0
            )
        }
    }
}
