import Capture
import Faults
import LTX
import POSIX
import SQLiteFormat

// Commits of a database in WAL or wal2 mode. See `WALCapture` and `LogCapture` for how they are seen.
extension Database {
    /// Page data that queued commits may refer to, in bytes; beyond it writers wait for the log writer.
    static let queueBound = 64 << 20

    /// Writes to a file of the log and captures what the write completes, before it is answered (invariant 2).
    func writeWAL(
        _ log: WALFile,
        _ file: BackingFile,
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64
    ) throws(Errno) {
        let wal = logs[log]
        if wal.touchesHeader(at: offset) { return try writeWALHeader(log, file, bytes, at: offset) }
        if let frame = wal.firstCommittedFrame(overwrittenBy: bytes, at: offset, read: file.lenientRead) {
            // SQLite does not know a commit that we captured. Invariant 3, then take it back.
            try drainQueue()
            preserveLogForSnapshots()
            withdrawCommits(from: frame, wal, file)
        }
        try waitForRoom()
        do throws(Errno) {
            try file.descriptor.write(bytes, at: offset, passing: .walWrite)
        } catch {
            // Some of it may have been written: whatever frames it touched are no longer valid.
            wal.wrote(UnsafeRawBufferPointer(start: nil, count: 0), at: offset)
            throw error
        }
        wal.wrote(bytes, at: offset)
        try captureCompleted(in: log, file, (bytes, offset))
    }

    /// Captures the commits that a write has completed.
    private func captureCompleted(
        in log: WALFile,
        _ file: BackingFile,
        _ write: (bytes: UnsafeRawBufferPointer, offset: Int64)
    ) throws(Errno) {
        guard logs.isContinued(in: log) else { return }
        while let commit = logs[log].nextCommit(after: write, read: file.lenientRead) {
            logs.goOn(in: log)
            try capture(commit, file)
        }
    }

    /// A new header restarts a file of the log: what it held must be in the log of transactions (invariants 3 and 4).
    private func writeWALHeader(
        _ log: WALFile,
        _ file: BackingFile,
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64
    ) throws(Errno) {
        let wal = logs[log]
        if let version = WALHeader.unsupportedVersion(bytes) {
            // Nothing is lost: the program says that it cannot change the journal mode.
            context.logger.error("database \"\(name)\": \(refusal(of: version, log)); writing it was refused")
            throw .readOnlyFileSystem
        }
        try leaveLog(log)
        let result = Result { () throws(Errno) in
            try file.descriptor.write(bytes, at: offset, passing: .walHeaderWrite)
        }
        // Whether or not all of it was written, the file says what the header is now.
        let frames = wal.frames
        if wal.headerWritten(read: file.lenientRead) == .rewritten, !frames.isEmpty {
            counters.withdrawn.increment()
            markSuspect(frames)
        }
        forgetCheckpointed()
        checkVersion(of: log, file)
        try result.get()
        if log != logs.file { try withdrawWhatIsNotContinued(by: log) }
        wal.wrote(bytes, at: offset)
        try captureCompleted(in: log, file, (bytes, offset))
    }

    /// The log goes on in another file, behind the last commit that SQLite knows: what was captured behind that is taken back.
    ///
    /// Its program died after the frame that commits was written and before it was published, and nothing overwrites it.
    private func withdrawWhatIsNotContinued(by log: WALFile) throws(Errno) {
        let before = logs.newest
        guard !logs.isContinued(in: log), let header = logs[log].header, header.version == .wal2,
            let file = files[logs.file]
        else { return }
        try drainQueue()
        preserveLogForSnapshots()
        let end = before.frame(
            endingWith: WALChecksum(first: header.salt1, second: header.salt2),
            read: file.lenientRead
        )
        guard let end, end < before.committedFrames else {
            // Not a log that goes on here: all of both is compared.
            return try adoptLog()
        }
        withdrawCommits(from: end + 1, before, file)
    }

    private func refusal(of version: WALVersion, _ log: WALFile) -> String {
        "\(name)\(log.suffix) has version \(version.rawValue), which is not supported (supported: "
            + "\(WALVersion.wal.rawValue) WAL, \(WALVersion.wal2.rawValue) wal2)"
    }

    /// Stops with the database when its log has a format that is not known, and was written already.
    ///
    /// Invariant: what the log's checkpoints write to the database file is no committed state before the log is gone. Until then nothing is
    /// compared and nothing replicated; afterwards all is.
    func checkVersion(of log: WALFile, _ file: BackingFile) {
        guard let version = WALHeader.unsupportedVersion(in: file) else { return }
        isLogUnknown = true
        fail(
            refusal(of: version, log)
                + "; the database is not replicated until its journal mode is changed with the program that made it: PRAGMA "
                + "journal_mode=delete, for example"
        )
    }

    /// The same for all files of the log.
    func checkVersions() {
        for log in WALFile.allCases {
            if let file = files[log] { checkVersion(of: log, file) }
        }
    }

    /// The log whose format is not known is gone: the database file has all, and all of it is in doubt.
    func noteUnknownLogGone() {
        guard isLogUnknown, !WALFile.allCases.contains(where: { isUnknown($0) }) else { return }
        isLogUnknown = false
        fault = nil
        isTableUnknown = true
        lastDatabaseChange = .now
        requestReconcile()
        context.logger.info(
            "database \"\(name)\": its log of an unsupported version is gone; replicating it again"
        )
    }

    private func isUnknown(_ log: WALFile) -> Bool {
        files[log].flatMap { WALHeader.unsupportedVersion(in: $0) } != nil
    }

    /// A file of the log was left: what checkpoints wrote to the database file needs no comparing, unless the other file has the page, too.
    func forgetCheckpointed() {
        walPages = PageSet(logs.frames.pages)
        logOnly.formIntersection(walPages)
        if !needsReconcile { dirty.formIntersection(walPages) }
    }

    /// Cuts or removes a file of the log.
    ///
    /// The capture lets go of it only when that is done: a file that could not be removed goes on.
    func truncateWAL(
        _ log: WALFile,
        _ file: BackingFile,
        to size: Int64,
        unlinking: Bool = false
    ) throws(Errno) {
        try captureTail()
        let isLeft = size < logs[log].capturedBytes
        let lost = isLeft ? try leaveLog(log, checkingAll: true) : 0
        if unlinking {
            try FaultPoint.walUnlink.pass()
            try Files.unlink(path(DatabaseFileKind(log)))
        } else {
            try file.descriptor.truncate(to: size, passing: .walTruncate)
        }
        if lost > 0 {
            context.logger.warning(
                "database \"\(name)\": its log was \(unlinking ? "removed" : "cut") before \(lost) pages of it were in the "
                    + "database, which goes back to what it had before"
            )
        }
        if isLeft {
            logs.end(log)
            forgetCheckpointed()
        }
        if !unlinking { logs[log].truncated(to: size) }
    }

    /// Makes a file of the log dispensable: every commit in it is stored, on disk if the application syncs, and its
    /// pages are in the database file, as SQLite's checkpoint left them.
    ///
    /// Pages that are not are suspect: a commit that the writing program did not live to publish, or a log
    /// that was removed by hand, or by a program that has another database file of this name open.
    ///
    /// - Returns: how many pages are suspect.
    @discardableResult
    private func leaveLog(_ log: WALFile, checkingAll: Bool = false) throws(Errno) -> Int {
        let wal = logs[log]
        guard wal.committedFrames > 0 else { return 0 }
        try drainQueue()
        if wasSynced {
            do throws(Errno) {
                try self.log.synchronize()
            } catch {
                context.logger.warning(
                    "database \"\(name)\": transaction files cannot be put on disk, so SQLite's log must stay: \(error)"
                )
                throw error
            }
            wasSynced = false
        }
        preserveLogForSnapshots()
        var pages = checkingAll ? wal.frames[...] : wal.lastTransaction
        if log != logs.file, !logs.newest.frames.isEmpty {
            // The newest version of these pages is in the other file.
            let newer = PageSet(logs.newest.frames)
            pages = ArraySlice(pages.filter { !newer.contains(PageNumber($0)) })
        }
        let lost = pagesNotInDatabaseFile(pages)
        if !lost.isEmpty { markSuspect(lost) }
        return lost.count
    }

    /// Those of the pages whose committed content the database file does not have.
    ///
    /// Call with `monitor` held.
    func pagesNotInDatabaseFile(_ pages: ArraySlice<UInt32>) -> [UInt32] {
        guard let pageSize = table.pageSize else { return [] }
        let buffer = Buffer(count: pageSize.bytes)
        return Set(pages)
            .filter { number in
                guard number <= table.pageCount else { return false }
                let page = PageNumber(number)
                readDatabaseFile(page, pageSize, into: buffer.bytes)
                return PageChecksum.compute(page, UnsafeRawBufferPointer(buffer.bytes)) != table[page]
            }
    }

    /// Takes back what SQLite is about to overwrite.
    private func withdrawCommits(from frame: UInt32, _ wal: WALCapture, _ file: BackingFile) {
        let pages = wal.withdraw(from: frame, read: file.lenientRead)
        counters.withdrawn.increment()
        context.logger.info(
            "database \"\(name)\": SQLite took back a transaction that was captured (its writer died before it was "
                + "published); \(pages.count) pages will be compared"
        )
        markSuspect(pages)
    }

    func markSuspect(_ pages: some Sequence<UInt32>) {
        for page in pages { suspect.insert(PageNumber(page)) }
        requestReconcile()
    }

    // MARK: - Commits

    /// A commit moves table, position and queue in one step (invariants 1 and 2).
    func capture(_ commit: WALCapture.Commit, _ file: BackingFile) throws(Errno) {
        guard let header = logs[commit.file].header else { return }
        for page in commit.pages { walPages.insert(page.number) }
        if isLogPassing {
            for page in commit.pages { logOnly.insert(page.number) }
            if commit.pageCount < table.pageCount { logOnly.remove(above: commit.pageCount) }
        }
        guard suspect.isEmpty, !isTableUnknown, table.pageSize == header.pageSize, isGapless(commit) else {
            return try captureSuspect(commit, header.pageSize)
        }
        let before = position
        for page in commit.pages { table.set(page.number, page.checksum) }
        table.resize(to: commit.pageCount)
        guard let txid = position.txid.next else { return fail("there are no more transaction IDs") }
        position = Position(txid: txid, postApply: table.databaseChecksum)
        timestamp = WallClock.milliseconds
        if commit.pages.first?.number == .first {
            noteVersionBytes(commit.pages[0].frame, header.pageSize, file)
        }
        counters.commits.increment()
        let wasIdle = queue.isEmpty
        queue.append(
            QueuedCommit(
                pages: commit.pages,
                pageCount: commit.pageCount,
                pageSize: header.pageSize,
                before: before,
                after: position,
                timestamp: timestamp,
                file: commit.file,
                firstFrame: commit.firstFrame,
                lastFrame: commit.lastFrame,
                salt1: header.salt1,
                salt2: header.salt2
            )
        )
        queuedPages += commit.pages.count
        if wasIdle { wakeLogWriter() }
        if !isLogLong, header.version == .wal, logs[.wal].capturedBytes > LogKeeper.longLog {
            isLogLong = true
            context.longLogs.ring()
        }
        // Whatever happens here, the commit stands.
        try? FaultPoint.commitCaptured.pass()
    }

    /// Whether every page that the commit adds to the database is in it; SQLite leaves out pages that were allocated and
    /// freed again.
    private func isGapless(_ commit: WALCapture.Commit) -> Bool {
        let old = table.pageCount
        guard commit.pageCount > old else { return true }
        guard let lockPage = table.pageSize?.lockPage.rawValue else { return false }
        var added = Int(commit.pageCount - old)
        if lockPage > old, lockPage <= commit.pageCount { added -= 1 }
        var present = 0
        for page in commit.pages.reversed() {
            if page.number.rawValue <= old { break }
            present += 1
        }
        return present == added
    }

    /// A commit while pages are suspect: they are compared and go into the same transaction.
    private func captureSuspect(_ commit: WALCapture.Commit, _ pageSize: PageSize) throws(Errno) {
        try drainQueue()
        var candidates = suspect
        for page in commit.pages { candidates.insert(page.number) }
        do throws(StoreError) {
            try emitLogical(candidates, pageSize: pageSize, pageCount: commit.pageCount)
        } catch {
            // The commit itself stands: SQLite's log holds it. It is emitted as soon as the reason is gone.
            suspect.formUnion(candidates)
            requestReconcile()
            context.logger.warning("database \"\(name)\": a transaction waits to be stored: \(error)")
        }
    }

    private func noteVersionBytes(_ page1: FramePlace, _ pageSize: PageSize, _ file: BackingFile) {
        let offset = page1.pageOffset(pageSize) + Int64(DatabaseHeader.writeVersionOffset)
        withUnsafeTemporaryAllocation(byteCount: 2, alignment: 1) { bytes in
            if file.lenientRead(bytes, offset) == 2 { versionBytes = (bytes[0], bytes[1]) }
        }
    }

    // MARK: - Waiting for the log writer

    /// Waits until no queued commit refers to the log; throws when they cannot be stored.
    func drainQueue() throws(Errno) {
        guard !queue.isEmpty else { return }
        drainers += 1
        defer { drainers -= 1 }
        monitor.wakeAll()
        while !queue.isEmpty {
            if let logFailure { throw logFailure.errno }
            if isClosing { throw .io }
            monitor.wait()
        }
    }

    /// Waits while the queue is over its bound; throws when it cannot shrink.
    private func waitForRoom() throws(Errno) {
        guard let pageSize = table.pageSize else { return }
        while queuedPages * pageSize.bytes > Self.queueBound {
            if let logFailure { throw logFailure.errno }
            if isClosing { throw .io }
            monitor.wait()
        }
    }
}
