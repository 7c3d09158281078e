import Capture
import LTX
import Logging
import POSIX
import SQLiteFormat

// Opening a database whose mount lives on, with programs that use it (docs/ARCHITECTURE.md, "Surviving the daemon"). The rules are those
// of every recovery (`Database+Recovery`), and these:
//
// T1  Nothing on disk is replaced, cut or removed: neither the log nor the wal-index.
// T2  The database file and the journal do not change meanwhile: their writes wait for an answer.
// T3  A log that passes through grows meanwhile. It begins anew only when the database file has all of it, and all of it is stored.
// T4  So the log is read first, as far as the wal-index publishes it, then the pages; if the log has another header then, once more.
// T6  A journal in force is that of a program at work. The state before it is known from it.
//
// What is not as expected is left to the reconciler, which waits for a moment when nobody writes: a transaction may be under way that
// no journal tells of, and half of it must not be published.
extension Database {
    /// What the daemon before left about a database, when it ended in good order.
    var handoverPath: String { directory + "/" + Self.handoverName }

    static let handoverName = "checksums.handover"

    /// Reads what the daemon before left, and removes it.
    func takeHandover() throws(StoreError) -> SavedChecksums? {
        let saved = (try? Files.read(handoverPath, limit: 1 << 32)).flatMap { SavedChecksums($0) }
        do throws(Errno) {
            try Files.unlink(handoverPath, ifExists: true)
        } catch {
            throw .file(FileError("remove", handoverPath, error))
        }
        return saved
    }

    /// Opens the files as they are (T1).
    func openFilesInUse() throws(StoreError) {
        do throws(Errno) {
            try openNamedFiles()
        } catch {
            throw .file(FileError("open", directory, error))
        }
        // Who synced before is not known: records go to disk before the log does.
        wasSynced = true
        isLogGivenUp = files.shm == nil
    }

    /// Saves what is known for the next daemon, which goes on with the mount.
    ///
    /// Nothing is synced: it is used by a process that is waiting for it, or never.
    func saveHandover() throws(StoreError) {
        guard let saved = try currentChecksums() else { return }
        do throws(Errno) {
            let file = try FileDescriptor.open(handoverPath, [.writeOnly, .create, .truncate])
            try file.write(saved.encoded(), at: 0)
        } catch {
            throw .file(FileError("save", handoverPath, error))
        }
    }

    /// The log as far as it is committed for certain (T4).
    func readPublishedLog() throws(StoreError) -> LogContent {
        let content = try readLog()
        guard context.options.isPrimary, context.options.logsPass, content.header != nil,
            let shm = files.shm
        else { return content }
        let deadline = MonotonicTime.now + .milliseconds(50)
        while MonotonicTime.now < deadline {
            // Two copies that differ are just being changed.
            guard let index = WALIndexHeader(publishedIn: shm) else {
                pause(.microseconds(100))
                continue
            }
            return content.cut(to: index)
        }
        return content
    }

    // MARK: - Primary

    func takeOverPrimary() throws(StoreError) {
        let record = newestSoundPosition()
        position = record?.position ?? .zero
        timestamp = record?.header.timestampMilliseconds ?? 0
        if hasHotJournal { return takeOverJournal(record) }
        if isLeftUnknown() { return }
        var content = try readPublishedLog()
        var attempts = 0
        while let final = try tableOfContent(content) {
            attempts += 1
            let isSame =
                !context.options.logsPass
                || WALFile.allCases.allSatisfy { log in
                    content[log].frames.isEmpty
                        || files[log].flatMap { WALHeader(in: $0) } == content[log].header
                }
            if isSame || attempts == Self.mostAttempts {
                if let record, try goOn(from: record, to: final, content) { return }
                try followLog(content, capturedThrough: content.frameCount)
                isTableUnknown = true
                return requestReconcile()
            }
            content = try readPublishedLog()
        }
        // Empty, being made, or of a size that cannot be: whatever it becomes is compared.
        if (try? files.database?.size()) == 0 {
            dirty.insert(1...1)
        } else {
            isTableUnknown = true
        }
        requestReconcile()
    }

    private static let mostAttempts = 20

    /// The checksums of the content with these frames of the log; nil when there is no sound content.
    private func tableOfContent(_ content: LogContent) throws(StoreError) -> PageChecksumTable? {
        guard let pageSize = content.header?.pageSize ?? currentPageSize() else { return nil }
        let pageCount = content.pageCount > 0 ? content.pageCount : pagesOfFile(pageSize)
        guard pageCount > 0 else { return nil }
        guard (try? checkSize(pageCount, pageSize)) != nil else { return nil }
        let reader = LogicalReader(files: files, frames: content.frames, pageSize: pageSize)
        noteVersionBytes(ofTable: reader)
        return reader.table(pageCount: pageCount)
    }

    /// A program is in the middle of a transaction, or died there; its end is a commit, or a rollback, as ever.
    ///
    /// Invariant: the table is that of the newest record, or unknown.
    private func takeOverJournal(_ record: Record?) {
        journal = JournalState(isActive: true)
        if let record, let (originals, before) = originals(of: record.position.postApply) {
            table = before
            let pages = max(before.pageCount, pagesOfFile(originals.pageSize), 1)
            dirty.insert(1...pages)
            let page1 = Buffer(count: originals.pageSize.bytes)
            if !originals.read(.first, into: page1.bytes) {
                readDatabaseFile(.first, originals.pageSize, into: page1.bytes)
            }
            versionBytes = DatabaseHeader.versionBytes(ofPage1: page1.bytes)
        } else {
            isTableUnknown = true
        }
        requestReconcile()
    }

    /// What the journal has of the content with this checksum, and the checksums of its pages; nil when it does not lead there.
    func originals(of checksum: Checksum) -> (JournalOriginals, PageChecksumTable)? {
        guard let file = files.journal, let originals = JournalOriginals(file),
            let before = table(before: originals), before.databaseChecksum == checksum
        else { return nil }
        return (originals, before)
    }

    /// The checksums as they were before the transaction of a journal.
    private func table(before originals: JournalOriginals) -> PageChecksumTable? {
        let pageSize = originals.pageSize
        guard (try? checkSize(originals.pageCount, pageSize)) != nil else { return nil }
        var table = LogicalReader(files: files, frames: LogFrames(), pageSize: pageSize)
            .table(pageCount: originals.pageCount)
        let buffer = Buffer(count: pageSize.bytes)
        for number in originals.offsets.keys where number <= originals.pageCount {
            let page = PageNumber(number)
            guard page != pageSize.lockPage, originals.read(page, into: buffer.bytes) else { continue }
            table.set(page, PageChecksum.compute(page, UnsafeRawBufferPointer(buffer.bytes)))
        }
        return table
    }
}
