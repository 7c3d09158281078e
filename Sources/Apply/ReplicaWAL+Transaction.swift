import POSIX
import SQLiteFormat

extension ReplicaWAL {
    /// Starts a transaction.
    ///
    /// Takes WRITE, which a reader may hold for moments. If the database file has all frames, and nobody reads from the
    /// log, the log restarts.
    ///
    /// - Parameter pageSize: the page size of the database after the transaction.
    /// - Throws: `ApplyError`; `pageSizeChangeMustWait` if the log has another page size and cannot restart now.
    ///   Then no transaction is started.
    public func begin(pageSize: PageSize) throws(ApplyError) {
        precondition(!isWriting, "a transaction is open already")
        try shared.file.lock(.write)
        do throws(ApplyError) {
            try checkIndex()
            try restartIfUnused()
            if frames.isEmpty {
                header = header.with(pageSize: pageSize)
                chain = WALChain(startOf: header)
            } else if chain.pageSize != pageSize {
                throw ApplyError(log.name, .pageSizeChangeMustWait(log: chain.pageSize, wanted: pageSize))
            }
        } catch {
            shared.file.unlock(.write)
            throw error
        }
        writer.start(after: frameCount, chain: chain, header: frames.isEmpty ? header : nil)
        isWriting = true
    }

    /// Adds a page to the transaction.
    ///
    /// Page 1 carries the bytes 18 and 19 that the replica wants. No reader sees the page before `commit`.
    ///
    /// - Parameters:
    ///   - page: the number of the page.
    ///   - data: the page; copied.
    /// - Throws: `ApplyError`; then only `abandon` remains.
    public func append(_ page: PageNumber, _ data: UnsafeRawBufferPointer) throws(ApplyError) {
        precondition(isWriting, "no transaction is open")
        try writer.append(page, data)
    }

    /// Ends the transaction: readers that start after the call see it.
    ///
    /// - Parameter pageCount: the size of the database in pages after the transaction.
    /// - Throws: `ApplyError`: the transaction is still open, nobody sees it, and only `abandon` remains.
    ///   `emptyTransaction` if no page was added, or the size is 0.
    public func commit(pageCount: UInt32) throws(ApplyError) {
        precondition(isWriting, "no transaction is open")
        guard pageCount > 0, !writer.pages.isEmpty else { throw ApplyError(log.name, .emptyTransaction) }
        try shared.reserve(frames: frameCount + UInt32(writer.pages.count))
        let chain = try writer.finish(pageCount: pageCount)
        try shared.append(writer.pages, after: frameCount)
        let next = WALIndexHeader(
            chain: chain,
            mxFrame: frameCount + UInt32(writer.pages.count),
            pageCount: pageCount,
            changeCounter: published.changeCounter &+ 1
        )
        try shared.publish(next)
        published = next
        frames.append(contentsOf: writer.pages)
        self.chain = chain
        self.pageCount = pageCount
        isWriting = false
        shared.file.unlock(.write)
    }

    /// Forgets the open transaction, if there is one.
    ///
    /// No reader has seen it; the next transaction overwrites its frames.
    public func abandon() {
        guard isWriting else { return }
        writer.revoke()
        isWriting = false
        shared.file.unlock(.write)
    }

    /// Restarts the log at frame 1 if the database file has all frames, and nobody reads from the log.
    ///
    /// Readers of the database file alone go on. The new header is written with the first frames: until then a
    /// recovery finds the old log, which says the same as the database file.
    private func restartIfUnused() throws(ApplyError) {
        guard !frames.isEmpty, shared.index.backfilled == frameCount else { return }
        guard try shared.file.tryLock(.readersOfLog) else { return }
        defer { shared.file.unlock(.readersOfLog) }
        let restarted = header.restarted(salt2: .random(in: 0 ... .max))
        var next = published
        next.mxFrame = 0
        next.salt1 = restarted.salt1
        next.salt2 = restarted.salt2
        // Before the header: a failure between leaves a log of which nothing counts as copied, never a new log of
        // which something does.
        try shared.resetCheckpointInformation()
        try shared.publish(next)
        header = restarted
        published = next
        frames.removeAll(keepingCapacity: frames.count < 1 << 20)
        copiesFromStart = false
        // Cut to nothing, never to less: the start of the old log alone would be an old state. That it stays long
        // after an error costs only space.
        if let size = try? log.size(), size > Self.keptLogBytes { try? log.truncate(to: 0) }
    }
}

extension WALHeader {
    /// The same header for a log with pages of another size.
    fileprivate func with(pageSize: PageSize) -> WALHeader {
        guard pageSize != self.pageSize else { return self }
        return WALHeader(
            pageSize: pageSize,
            checkpointSequence: checkpointSequence,
            salt1: salt1,
            salt2: .random(in: 0 ... .max),
            bigEndianChecksums: bigEndianChecksums
        )
    }
}
