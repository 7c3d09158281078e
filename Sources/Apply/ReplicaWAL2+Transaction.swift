import POSIX
import SQLiteFormat

extension ReplicaWAL2 {
    /// Starts a transaction.
    ///
    /// Takes WRITE, which a reader may hold for moments. If the file that is written is long, and nothing needs the other one, the log goes on
    /// there.
    ///
    /// - Parameter pageSize: the page size of the database after the transaction.
    /// - Throws: `ApplyError`; `pageSizeChangeMustWait` if the log has frames with another page size. Then no transaction is started.
    public func begin(pageSize: PageSize) throws(ApplyError) {
        precondition(!isWriting, "a transaction is open already")
        try shared.file.lock(.write)
        do throws(ApplyError) {
            try checkIndex()
            if pageSize != self.pageSize {
                guard committed.isEmpty else {
                    throw ApplyError(
                        logs[0].name,
                        .pageSizeChangeMustWait(log: self.pageSize, wanted: pageSize)
                    )
                }
                self.pageSize = pageSize
            }
            try goOnInOtherFile()
            try startWriter()
        } catch {
            shared.file.unlock(.write)
            throw error
        }
        isWriting = true
    }

    private func startWriter() throws(ApplyError) {
        let number = Int(file.rawValue)
        let frames = UInt32(committed[file].count)
        if frames > 0, let chain = chains[number] {
            return writers[number].start(after: frames, chain: chain, header: nil)
        }
        let header = nextHeader()
        headers[number] = header
        chains[number] = WALChain(startOf: header)
        writers[number].start(after: 0, chain: WALChain(startOf: header), header: header)
    }

    /// The header of the file that is written, which has no frame.
    private func nextHeader() -> WALHeader {
        let other = Int(file.other.rawValue)
        guard !committed[file.other].isEmpty, let before = headers[other], let chain = chains[other] else {
            return Self.firstHeader(pageSize)
        }
        return before.continued(after: chain.checksum)
    }

    /// Has the log go on in the other file, if the one that is written is long, and neither the database file nor a reader needs the other.
    ///
    /// The caller holds WRITE, and the wal-index was just read.
    private func goOnInOtherFile() throws(ApplyError) {
        let (old, new) = (file, file.other)
        guard UInt32(committed[old].count) >= Self.switchFrames, let chain = chains[Int(old.rawValue)],
            committed[new].isEmpty || isOtherCopied && shared.index.backfilled == 1,
            try shared.file.tryLock(.readersKeeping(from: old))
        else { return }
        defer { shared.file.unlock(.readersKeeping(from: old)) }
        var next = published
        next.file = new
        next[new] = 0
        (next.salt1, next.salt2) = (chain.checksum.first, chain.checksum.second)
        // Before the header, which says that the old one must be copied now: until then it makes readers look into the new one, which still
        // has what the database file has.
        isOtherCopied = false
        try shared.setBackfilled(0)
        try shared.publish(next)
        published = next
        committed.goOn(in: new)
        // What is left of `-wal2` is in the database file. That it stays long after an error costs only space.
        if new == .wal2, let size = try? logs[1].size(), size > Self.keptLogBytes {
            try? logs[1].truncate(to: 0)
        }
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
        try writers[Int(file.rawValue)].append(page, data)
    }

    /// Ends the transaction: readers that start after the call see it.
    ///
    /// - Parameter pageCount: the size of the database in pages after the transaction.
    /// - Throws: `ApplyError`: the transaction is still open, nobody sees it, and only `abandon` remains. `emptyTransaction` if no page
    ///   was added, or the size is 0.
    public func commit(pageCount: UInt32) throws(ApplyError) {
        precondition(isWriting, "no transaction is open")
        let writer = writers[Int(file.rawValue)]
        guard pageCount > 0, !writer.pages.isEmpty else {
            throw ApplyError(logs[Int(file.rawValue)].name, .emptyTransaction)
        }
        let before = UInt32(committed[file].count)
        let last = before + UInt32(writer.pages.count)
        guard last < FramePlace.lastFrame else { throw ApplyError(logs[Int(file.rawValue)].name, .logFull) }
        try shared.reserve(frames: last, in: .file(file))
        let chain = try writer.finish(pageCount: pageCount)
        try shared.append(writer.pages, after: before, in: .file(file))
        var next = published
        next[file] = last
        next.pageCount = pageCount
        next.pageSize = pageSize
        next.bigEndianChecksums = chain.bigEndian
        next.frameChecksum = chain.checksum
        (next.salt1, next.salt2) = (chain.salt1, chain.salt2)
        next.changeCounter &+= 1
        try shared.publish(next)
        published = next
        committed.append(contentsOf: writer.pages)
        chains[Int(file.rawValue)] = chain
        isWriting = false
        shared.file.unlock(.write)
    }

    /// Forgets the open transaction, if there is one.
    ///
    /// No reader has seen it; the next transaction overwrites its frames.
    public func abandon() {
        guard isWriting else { return }
        writers[Int(file.rawValue)].revoke()
        isWriting = false
        shared.file.unlock(.write)
    }
}
