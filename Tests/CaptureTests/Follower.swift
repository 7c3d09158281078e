import CSQLite
import Capture
import LTX
import SQLiteFormat
import Testing

/// Drives the state machines of `Capture` from what SQLite writes, in the order of a daemon, over shadows of the files.
final class Follower {
    private(set) var capture = WALCapture()
    let log = Shadow()
    let database = Shadow()
    private(set) var journal = JournalState()
    private(set) var dirty = PageSet()
    var table = PageChecksumTable()

    /// Transactions in the log as it is now.
    private(set) var commits: [WALCapture.Commit] = []
    /// Transactions captured from logs and not withdrawn.
    private(set) var logCommits = 0
    /// Transactions of rollback journals.
    private(set) var journalCommits = 0
    /// Pages of withdrawn transactions.
    var suspect = PageSet()
    /// How often things happened that a test wants to have seen.
    private(set) var seen: [Event: Int] = [:]

    enum Event {
        case withdrawal
        case sealedAfterCommit
        case rewrittenHeader
        case restart
        case truncation
        case rewrittenPendingFrame
        case partialFrame
        case unchangedJournal
    }

    /// Operations on the log until one fails; negative: none.
    var syncsUntilFailure = -1
    var writesUntilFailure = -1

    func handle(_ file: RecordingVFS.File, _ operation: RecordingVFS.Operation) -> Int32 {
        switch (file, operation) {
        case (.wal, .write(let bytes, let offset)):
            return writeLog(bytes, at: offset)
        case (.wal, .truncate(let size)):
            cutLog(to: size)
        case (.wal, .delete):
            cutLog(to: 0)
        case (.wal, .sync):
            syncsUntilFailure -= 1
            if syncsUntilFailure == 0 { return SQLITE_IOERR | (4 << 8) }
        case (.database, .write(let bytes, let offset)):
            database.write(bytes, at: offset)
            let size = Int64(pageSize(bytes, at: offset))
            dirty.insert(UInt32(offset / size + 1)...UInt32((offset + Int64(bytes.count) - 1) / size + 1))
        case (.database, .truncate(let size)):
            let pageSize = Int64(table.pageSize?.bytes ?? 4096)
            let (old, new) = (Int64(database.size) / pageSize, size / pageSize)
            if old > new { dirty.insert(UInt32(new + 1)...UInt32(old)) }
            database.truncate(to: size)
        case (.journal, .write(let bytes, let offset)):
            if journal.wouldEnd(writing: bytes, at: offset) { endJournal() }
            journal.wrote(bytes, at: offset)
        case (.journal, .truncate(let size)):
            if size < 8 { endJournal() }
        case (.journal, .delete):
            endJournal()
        case (.journal, .sync), (.database, .sync), (.database, .delete):
            break
        }
        return SQLITE_OK
    }

    /// Goes on with another capture that took over the log at a transaction's end: the `index`th.
    func resume(afterCommit index: Int) {
        let fresh = WALCapture()
        let content = WALContent(reading: read)
        // A recovery does not find transactions with unsealed frames.
        guard content.frames.count == capture.frames.count else { return }
        let frame = index == 0 ? 0 : commits[index - 1].lastFrame
        fresh.resume(content, capturedThrough: frame, fileSize: Int64(log.size), read: read)
        var found: [WALCapture.Commit] = []
        while let commit = fresh.nextCommit(after: nil, read: read) { found.append(commit) }
        guard found == Array(commits[index...]), fresh.frames == capture.frames else {
            Issue.record("resumed after \(index) of \(commits.count) commits, found \(found.count)")
            return
        }
        capture = fresh
    }

    func read(_ buffer: UnsafeMutableRawBufferPointer, _ offset: Int64) -> Int {
        log.read(into: buffer, at: offset)
    }

    private func count(_ event: Event) { seen[event, default: 0] += 1 }

    // MARK: - The log

    private func writeLog(_ bytes: UnsafeRawBufferPointer, at offset: Int64) -> Int32 {
        if capture.touchesHeader(at: offset) {
            log.write(bytes, at: offset)
            let frames = capture.frames
            loseUnpublished()
            switch capture.headerWritten(read: read) {
            case .restarted:
                count(.restart)
            case .rewritten:
                count(.rewrittenHeader)
                if !commits.isEmpty { logCommits -= commits.count }
                for page in frames { suspect.insert(PageNumber(page)) }
            }
            commits = []
            return SQLITE_OK
        }
        if let frame = capture.firstCommittedFrame(overwrittenBy: bytes, at: offset, read: read) {
            count(.withdrawal)
            // The same transaction may be written once more, and succeed.
            failed = nil
            for page in capture.withdraw(from: frame, read: read) { suspect.insert(PageNumber(page)) }
            let kept = commits.prefix { $0.lastFrame < frame }
            logCommits -= commits.count - kept.count
            commits = Array(kept)
        } else if capture.firstCommittedFrame(touchedAt: offset) != nil {
            count(.sealedAfterCommit)
        } else if offset < log.size {
            count(.rewrittenPendingFrame)
        }
        writesUntilFailure -= 1
        if writesUntilFailure == 0 {
            capture.wrote(UnsafeRawBufferPointer(start: nil, count: 0), at: offset)
            return SQLITE_FULL
        }
        if bytes.count != WALFrameHeader.size, bytes.count != capture.pageSize?.bytes { count(.partialFrame) }
        log.write(bytes, at: offset)
        capture.wrote(bytes, at: offset)
        while let commit = capture.nextCommit(after: (bytes, offset), read: read) {
            if table.pageSize != capture.pageSize, let size = capture.pageSize {
                table = PageChecksumTable(pageSize: size)
            }
            for page in commit.pages { table.set(page.number, page.checksum) }
            table.resize(to: commit.pageCount)
            commits.append(commit)
            logCommits += 1
        }
        return SQLITE_OK
    }

    /// The commit that SQLite does not know, as the test found, while it stands in the log.
    var unpublished: WALCapture.Commit? {
        get { commits.last.flatMap { $0 == failed ? $0 : nil } }
        set { failed = newValue }
    }

    private var failed: WALCapture.Commit?

    /// The log goes, and with it a commit that SQLite does not know.
    private func loseUnpublished() {
        guard let unpublished else { return }
        for page in unpublished.pages { suspect.insert(page.number) }
        commits.removeLast()
        logCommits -= 1
        failed = nil
    }

    private func cutLog(to size: Int64) {
        if size < capture.capturedBytes {
            loseUnpublished()
            capture.end()
            commits = []
        }
        if size > 0 { count(.truncation) }
        log.truncate(to: size)
        capture.truncated(to: size)
    }

    // MARK: - The rollback journal

    private func endJournal() {
        defer {
            journal.ended()
            dirty.removeAll()
        }
        guard journal.isActive || !dirty.isEmpty else { return }
        guard let header = try? DatabaseHeader(database.bytes) else { return }
        if table.pageSize != header.pageSize { table = PageChecksumTable(pageSize: header.pageSize) }
        let old = table.pageCount
        let new = header.committedPageCount(fileSize: Int64(database.size))
        if new > old { dirty.insert(old + 1...new) }
        var changed = old != new
        table.resize(to: new)
        let compare: (PageNumber) -> Void = { [self] page in
            guard page.rawValue <= new, page != header.pageSize.lockPage else { return }
            let checksum = checksum(of: page, header.pageSize)
            if table[page] != checksum { changed = true }
            table.set(page, checksum)
        }
        dirty.visitPages(compare)
        if changed { journalCommits += 1 } else { count(.unchangedJournal) }
    }

    private func checksum(of page: PageNumber, _ size: PageSize) -> Checksum {
        let start = Int(page.rawValue - 1) * size.bytes
        return PageChecksum.compute(
            page,
            UnsafeRawBufferPointer(rebasing: database.bytes[start..<start + size.bytes])
        )
    }

    private func pageSize(_ bytes: UnsafeRawBufferPointer, at offset: Int64) -> Int {
        if offset == 0, let header = try? DatabaseHeader(bytes) { return header.pageSize.bytes }
        return table.pageSize?.bytes ?? bytes.count
    }
}
