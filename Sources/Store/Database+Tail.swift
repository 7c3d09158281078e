import Capture
import LTX
import Logging
import POSIX
import SQLiteFormat

// Commits in a log whose writes pass by the daemon (passthrough). Nobody tells of them, so they are looked for: by the thread
// that follows the log, and by everybody who needs to know all of them (`captureTail`).
//
// Nothing has to be held back for it, because SQLite restarts a log only when all of it was copied to the database file, and
// that is written through the daemon:
//
//     commit c in the log  ──►  checkpoint writes its pages to the database file  ──►  log restarts, frames are overwritten
//                                              │
//                               the daemon captures everything that is committed, and stores it, before this write
//
// Invariants:
// - What is captured was published in the wal-index, or nobody has a wal-index: then the chain of checksums says it.
// - A page in `logOnly` has its committed content in the log alone. Its frame stays until a write to the database file brings
//   that content there, and such a write waits for the lock. So under the lock frames of these pages can be read, and all other
//   pages are read from the database file.
extension Database {
    /// What follows a log of one file; of two, see `Database+WAL2`.
    private var wal: WALCapture { logs[.wal] }

    /// Whether writes to the log pass by.
    var isLogPassing: Bool { followed != nil && followed === files.wal }

    /// Follows a log from now on: a program is about to open it, and its writes pass by.
    public func followLog(_ file: BackingFile) {
        locked {
            guard files.wal === file, !isClosing else { return }
            if followed !== file {
                followed = file
                logOnly = walPages
                if context.options.isTakeover {
                    // It may have been copied back, and begin anew at any moment.
                    logOnly = PageSet()
                    for page in pagesNotInDatabaseFile(logs.frames.pages[...]) {
                        logOnly.insert(PageNumber(page))
                    }
                }
            }
            if tail == nil { tail = LogTail(self, paths: [path(.wal), path(.wal2)]) }
            tail?.wake()
        }
    }

    /// Captures what was committed since the last look.
    ///
    /// Call with `monitor` held; it is released while transactions must be stored first.
    ///
    /// - Returns: how many commits were found.
    @discardableResult
    func captureTail() throws(Errno) -> Int {
        guard context.options.isPrimary, isLogPassing else { return 0 }
        while isCapturingTail { monitor.wait() }
        guard isLogPassing, let file = files.wal else { return 0 }
        isCapturingTail = true
        defer {
            isCapturingTail = false
            monitor.wakeAll()
        }
        if isWAL2 { return try captureWAL2Tail() }
        guard noteRestart(file), let header = wal.header, let end = publishedEnd(file, header) else {
            return 0
        }
        isTailVouched = end.isVouched
        if let index = end.index, index.mxFrame < wal.committedFrames || !isContinued(by: index) {
            try takeOver(index, file)
            return 0
        }
        guard end.frame > wal.committedFrames else { return 0 }
        wal.appeared(through: end.frame, isPublished: end.isVouched)
        var count = 0
        while let commit = wal.nextCommit(after: nil, read: file.lenientRead) {
            do throws(Errno) {
                try capture(commit, file)
            } catch {
                // It stands, whatever becomes of its record.
                markSuspect(commit.pages.lazy.map(\.number.rawValue))
                throw error
            }
            count += 1
        }
        if let index = end.index, wal.committedFrames < index.mxFrame { try takeOver(index, file) }
        return count
    }

    /// Looks whether the log has another header than the one that was followed; false when that cannot be told now.
    private func noteRestart(_ file: BackingFile) -> Bool {
        let current = WALHeader(in: file)
        guard current != nil else {
            // Half written, or not yet.
            checkVersion(of: .wal, file)
            return false
        }
        if current == wal.header { return true }
        if !queue.isEmpty { abandonQueue("its log was overwritten") }
        if !logOnly.isEmpty {
            counters.withdrawn.increment()
            logOnly.visitPages { suspect.insert($0) }
            requestReconcile()
        }
        _ = wal.headerWritten(read: file.lenientRead)
        forgetCheckpointed()
        return true
    }

    /// Where the committed part of the log ends.
    private struct LogEnd {
        /// The last frame to look at.
        var frame: UInt32
        /// Whether the wal-index says that all frames up to it are committed.
        var isVouched: Bool
        /// What it says.
        var index: WALIndexHeader?
    }

    /// Asks the wal-index, or, when nobody has one, the size of the log; nil when there is nothing new for certain.
    private func publishedEnd(_ file: BackingFile, _ header: WALHeader) -> LogEnd? {
        guard let size = try? file.size() else { return nil }
        let frames = WALFrames.count(fileSize: size, pageSize: header.pageSize)
        guard let shm = files.shm, shm.isInUse else { return LogEnd(frame: frames, isVouched: false) }
        // Being changed, built anew, or of a log that begins: what it will say is said soon.
        guard let index = WALIndexHeader(publishedIn: shm), index.salt1 == header.salt1,
            index.salt2 == header.salt2, index.pageSize == header.pageSize, index.mxFrame <= frames
        else { return nil }
        return LogEnd(frame: index.mxFrame, isVouched: true, index: index)
    }

    /// Whether the wal-index can go on from what was captured.
    private func isContinued(by index: WALIndexHeader) -> Bool {
        index.mxFrame != wal.committedFrames || index.mxFrame == 0 || wal.endsWith(index.frameChecksum)
    }

    /// Takes over what the wal-index says, because the frames that were captured are not, or no longer, those of the log.
    private func takeOver(_ index: WALIndexHeader, _ file: BackingFile) throws(Errno) {
        counters.withdrawn.increment()
        context.logger.info(
            "database \"\(name)\": the log is another one than was captured; its pages will be compared"
        )
        if !queue.isEmpty { try drainQueue() }
        let before = wal.frames
        guard wal.takeOver(through: index.mxFrame, index.frameChecksum, read: file.lenientRead) else {
            return
        }
        for page in wal.frames {
            walPages.insert(PageNumber(page))
            logOnly.insert(PageNumber(page))
        }
        markSuspect(before)
        markSuspect(wal.frames)
    }

    /// Gives up commits whose pages are gone before they were stored: everything is compared with the last record.
    func abandonQueue(_ reason: String) {
        guard let first = queue.first else { return }
        context.logger.warning(
            "database \"\(name)\": \(queue.count) transactions could not be stored before \(reason); all of the content will "
                + "be one transaction after \(first.before)"
        )
        position = first.before
        queue.removeAll()
        queueNumber &+= 1
        queuedPages = 0
        isTableUnknown = true
        requestReconcile()
        monitor.wakeAll()
    }

    /// Notes which pages a write to the database file brings there as they are committed, and which it makes older ones.
    ///
    /// A checkpoint writes a version of a page that is not the newest when readers hold it back, and in wal2 when the other file has the page,
    /// too; the database file may have had the newest content before, by chance.
    ///
    /// Call with `monitor` held, after the write.
    func noteCheckpointed(_ bytes: UnsafeRawBufferPointer, at offset: Int64, _ pageSize: PageSize) {
        guard !walPages.isEmpty, offset >= 0, offset % Int64(pageSize.rawValue) == 0 else { return }
        var page = UInt32(clamping: offset / Int64(pageSize.rawValue) + 1)
        var start = 0
        while start + pageSize.bytes <= bytes.count {
            let number = PageNumber(page)
            if walPages.contains(number) {
                let data = UnsafeRawBufferPointer(rebasing: bytes[start..<start + pageSize.bytes])
                if PageChecksum.compute(number, data) == table[number] {
                    logOnly.remove(number)
                } else if number.rawValue <= table.pageCount {
                    logOnly.insert(number)
                }
            }
            start += pageSize.bytes
            page &+= 1
        }
    }

    /// A reader of the committed state, valid while `monitor` is held.
    func logicalReader(_ pageSize: PageSize) -> LogicalReader {
        LogicalReader(
            files: files,
            frames: logs.frames,
            pageSize: pageSize,
            only: isLogPassing ? logOnly : nil
        )
    }

    /// Throws when the log was restarted while it was read.
    func checkLogStands() throws(Errno) {
        guard isLogPassing else { return }
        for log in WALFile.allCases {
            guard let file = files[log], let header = logs[log].header else { continue }
            if WALHeader(in: file) != header { throw .wouldBlock }
        }
    }

    /// What a look of the thread that follows the log came to.
    struct TailLook {
        /// Commits that were found.
        var commits: Int
        /// Whether the log has nothing more, not even what is not committed.
        var isAtEnd: Bool
    }

    /// One look of the thread that follows the log; nil when the database closes.
    func followTail() -> TailLook? {
        locked {
            if isClosing { return nil }
            // The log is the queue's memory: what is not captured waits there.
            if queuedPages > 0, let pageSize = table.pageSize, queuedPages * pageSize.bytes > Self.queueBound
            {
                return TailLook(commits: 1, isAtEnd: false)
            }
            let commits = (try? captureTail()) ?? 0
            guard isLogPassing, let file = files.wal, file.isInUse else {
                return TailLook(commits: commits, isAtEnd: true)
            }
            return TailLook(commits: commits, isAtEnd: !isWAL2 && (try? file.size()) == wal.capturedBytes)
        }
    }
}

extension WALHeader {
    /// The version of a log, if it is one that is not implemented.
    static func unsupportedVersion(in file: BackingFile) -> WALVersion? {
        withUnsafeTemporaryAllocation(byteCount: Self.size, alignment: 8) { bytes in
            file.lenientRead(bytes, 0) == bytes.count
                ? unsupportedVersion(UnsafeRawBufferPointer(bytes)) : nil
        }
    }

    /// The version that a header says, if it is one that is not implemented.
    static func unsupportedVersion(_ bytes: UnsafeRawBufferPointer) -> WALVersion? {
        do throws(SQLiteFormatError) {
            _ = try Self(bytes)
            return nil
        } catch {
            guard case .unsupportedVersion(let word) = error.reason else { return nil }
            return WALVersion(rawValue: word)
        }
    }

    /// The header of a log as it is now; nil without a sound one.
    init?(in file: BackingFile) {
        let header = withUnsafeTemporaryAllocation(byteCount: Self.size, alignment: 8) { bytes in
            file.lenientRead(bytes, 0) == bytes.count ? try? Self(UnsafeRawBufferPointer(bytes)) : nil
        }
        guard let header else { return nil }
        self = header
    }
}

extension WALIndexHeader {
    /// The header that a wal-index publishes: both copies, if they are equal and sound.
    init?(publishedIn file: BackingFile) {
        let header = withUnsafeTemporaryAllocation(byteCount: 2 * Self.size, alignment: 8) { bytes -> Self? in
            guard file.lenientRead(bytes, 0) == bytes.count,
                bytes[..<Self.size].elementsEqual(bytes[Self.size...])
            else { return nil }
            return try? Self(UnsafeRawBufferPointer(rebasing: bytes[..<Self.size]))
        }
        guard let header else { return nil }
        self = header
    }
}
