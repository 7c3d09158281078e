import Capture
import Faults
import LTX
import POSIX
import SQLiteFormat

// What the mount asks for. Reads go to the backing file as they are; everything that changes a file passes through here,
// because it is how commits are seen.
extension Database {
    /// The current file of a kind, or nil when its name does not exist.
    ///
    /// Does not wait for whoever has the database's lock.
    public func file(_ kind: DatabaseFileKind) -> BackingFile? { shown.withLock { $0.files[kind] } }

    /// The file of a kind, made if its name does not exist.
    ///
    /// On a replica nobody but the daemon makes files: others get `EACCES`, which SQLite reports as "attempt to write a
    /// readonly database".
    public func create(_ kind: DatabaseFileKind, mode: UInt32, isOwn: Bool) throws(Errno) -> BackingFile {
        try locked { () throws(Errno) in
            if let file = files[kind] { return file }
            guard context.options.isPrimary || isOwn else { throw .accessDenied }
            nameChanges += 1
            try FaultPoint.fileCreate.pass()
            let file = try BackingFile.open(path(kind), mode: mode | 0o600)
            files[kind] = file
            if kind == .journal { journal = JournalState() }
            if let log = kind.log { logs.end(log) }
            if kind == .shm { isLogGivenUp = false }
            return file
        }
    }

    /// Whether a file may be opened for writing.
    ///
    /// On a replica the `-wal` may not, so that SQLite opens it read-only and refuses to begin a write transaction, instead
    /// of failing in the middle of one. Where the node may become the primary it may: SQLite would go on to take the database for one that
    /// cannot be written (L7).
    public func checkOpen(_ kind: DatabaseFileKind, forWriting: Bool, isOwn: Bool) throws(Errno) {
        guard forWriting, !isOwn, !context.options.isPrimary else { return }
        if kind.log != nil, context.options.roleMayChange { return }
        if kind.log != nil || kind == .journal { throw .accessDenied }
    }

    /// Writes to a file of the mount.
    public func write(
        _ kind: DatabaseFileKind,
        _ file: BackingFile,
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64,
        isOwn: Bool
    ) throws(Errno) {
        if kind == .shm {
            counters.shmWrites.increment()
            return try file.descriptor.write(bytes, at: offset, passing: .shmWrite)
        }
        try changing { () throws(Errno) in
            // A file without a name is seen by nobody but those who still have it open.
            guard files[kind] === file else {
                try checkOrphan(isOwn: isOwn)
                return try file.descriptor.write(bytes, at: offset)
            }
            try checkChange(isOwn: isOwn)
            // L1: every frame of a log belongs to a commit to come. What is written to the database file is judged page by page.
            if kind.log != nil { try checkPermitToCommit() }
            switch kind {
            case .database:
                counters.databaseWrites.increment()
                try writeDatabase(file, bytes, at: offset)
            case .journal:
                counters.journalWrites.increment()
                try writeJournal(file, bytes, at: offset)
            case .wal, .wal2:
                counters.walWrites.increment()
                guard let log = kind.log else { return }
                if context.options.isPrimary {
                    try writeWAL(log, file, bytes, at: offset)
                    // The permit may have ended while the commit was captured. SQLite does not publish it then.
                    try checkPermitToCommit()
                } else {
                    try writeReplicaWAL(log, file, bytes, at: offset)
                }
            case .shm:
                break
            }
        }
    }

    /// Sets the size of a file of the mount.
    public func truncate(
        _ kind: DatabaseFileKind,
        _ file: BackingFile,
        to size: Int64,
        isOwn: Bool
    ) throws(Errno) {
        if kind == .shm {
            // A reader that finds nobody's lock on a replica's wal-index wants to begin it anew, as after a crash of the machine. The daemon
            // keeps it, and takes its lock in a moment.
            if !context.options.isPrimary, !isOwn, try size < file.size() { return }
            return try file.descriptor.truncate(to: size, passing: .shmTruncate)
        }
        try changing { () throws(Errno) in
            guard files[kind] === file else {
                try checkOrphan(isOwn: isOwn)
                return try file.descriptor.truncate(to: size)
            }
            try checkChange(isOwn: isOwn)
            switch kind {
            case .database:
                try truncateDatabase(file, to: size)
            case .journal:
                if size < 8 {
                    try endJournal { () throws(Errno) in
                        try file.descriptor.truncate(to: size, passing: .journalTruncate)
                    }
                } else {
                    try file.descriptor.truncate(to: size, passing: .journalTruncate)
                }
            case .wal, .wal2:
                guard let log = kind.log else { return }
                if context.options.isPrimary {
                    try truncateWAL(log, file, to: size)
                    noteUnknownLogGone()
                } else {
                    preserveLogForSnapshots()
                    replica.overlay.end(log)
                    try file.descriptor.truncate(to: size, passing: .walTruncate)
                }
            case .shm:
                break
            }
        }
    }

    /// Reserves space as fallocate(2) does.
    public func allocate(
        _ kind: DatabaseFileKind,
        _ file: BackingFile,
        mode: Int32,
        offset: Int64,
        length: Int64,
        isOwn: Bool
    ) throws(Errno) {
        try locked { () throws(Errno) in
            try checkChange(isOwn: isOwn)
            try file.descriptor.allocate(mode: mode, offset: offset, length: length)
        }
    }

    /// Puts a file on disk.
    ///
    /// For SQLite it may be the last step of a commit, so it is refused when the commit must not be acknowledged any more (L1).
    public func synchronize(
        _ kind: DatabaseFileKind,
        _ file: BackingFile,
        dataOnly: Bool,
        isOwn: Bool
    ) throws(Errno) {
        // What a program wrote when this node was the primary.
        if !context.options.isPrimary, context.options.roleMayChange, !isOwn, kind != .shm {
            throw .readOnlyFileSystem
        }
        switch kind {
        case .database:
            try FaultPoint.databaseSync.pass()
            try synchronizeRecords()
        case .journal: try FaultPoint.journalSync.pass()
        case .wal, .wal2: try FaultPoint.walSync.pass()
        case .shm: break
        }
        if dataOnly { try file.descriptor.synchronizeData() } else { try file.descriptor.synchronize() }
        try locked { () throws(Errno) in
            wasSynced = true
            try checkPermitAfterSync(kind)
        }
    }

    /// Without a commit since the last sync there is nothing to acknowledge: what is synced is for a checkpoint, or a rollback (L3).
    private func checkPermitAfterSync(_ kind: DatabaseFileKind) throws(Errno) {
        guard kind.log != nil else { return }
        if position.txid != syncedTXID { try checkPermitToCommit() }
        syncedTXID = position.txid
    }

    /// Puts the records of commits on disk before SQLite knows that its checkpoint is: then it may restart the log.
    ///
    /// Invariant 4, when writes to the log pass by and its restart is not seen.
    private func synchronizeRecords() throws(Errno) {
        let isNeeded = try locked { () throws(Errno) -> Bool in
            guard isLogPassing, context.options.isPrimary else { return false }
            try captureTail()
            guard logs.hasFrames else { return false }
            try drainQueue()
            return true
        }
        if isNeeded { try log.synchronize() }
    }

    /// Removes the name of a file other than the database itself.
    ///
    /// - Throws: `.busy` when a program wants it that has another file for the database (`isRemovedByStranger`).
    public func unlink(_ kind: DatabaseFileKind, isOwn: Bool) throws(Errno) {
        precondition(kind != .database, "a database is dropped, not unlinked")
        if !isOwn {
            // The kernel tells of the end of an open file some moments later than the program's call returns.
            let patience = MonotonicTime.now + Self.releasePatience
            while locked({ isNeeded(kind) }), MonotonicTime.now < patience {
                pause(.microseconds(200))
            }
        }
        try changing { () throws(Errno) in
            guard files[kind] != nil else { throw .noEntry }
            try checkChange(isOwn: isOwn)
            if !isOwn, isRemovedByStranger(kind) {
                context.logger.warning(
                    "database \"\(name)\": its \(kind == .journal ? "journal" : "log") was not removed: programs need it. Who wants it gone has "
                        + "another file for the database, from a time when nothing was mounted, and must open the database again"
                )
                throw .busy
            }
            nameChanges += 1
            switch kind {
            case .journal:
                try endJournal { () throws(Errno) in
                    try FaultPoint.journalUnlink.pass()
                    try Files.unlink(path(.journal))
                }
            case .wal, .wal2:
                if let log = kind.log, let file = files[kind] {
                    try truncateWAL(log, file, to: 0, unlinking: true)
                }
            default:
                try FaultPoint.shmUnlink.pass()
                try Files.unlink(path(kind))
                isLogGivenUp = true
            }
            files[kind] = nil
            if kind.log != nil { noteUnknownLogGone() }
        }
    }

    private static let releasePatience = Duration.milliseconds(100)

    /// Whether who removes a log or a journal cannot be one that uses this database.
    ///
    /// SQLite removes a log only after a checkpoint of all of it and after its wal-index, and a journal that it has closed. A program
    /// that made an empty file of this name while nothing was mounted takes what lies beside it for left-overs of that. What programs
    /// left that ended may be removed by anybody, unless there is such a file: then it is more likely to be lost by mistake.
    ///
    /// Call with `monitor` held.
    private func isRemovedByStranger(_ kind: DatabaseFileKind) -> Bool {
        if isNeeded(kind) { return true }
        // Without a table nothing is known of the log's pages, and it may be all there is.
        return kind.log != nil && hasHiddenNamesake && isLogKept
            && (table.pageSize == nil || !pagesNotInDatabaseFile(logs.frames.pages[...]).isEmpty)
    }

    /// Whether programs have the log or the journal open, and need it.
    ///
    /// Call with `monitor` held.
    private func isNeeded(_ kind: DatabaseFileKind) -> Bool {
        switch kind {
        case .wal, .wal2:
            // Without a wal-index the log is that of one program, which has it for itself.
            isLogKept && files[kind]?.isInUse == true && files.shm != nil
        case .journal:
            hasHiddenNamesake && journal.isActive && files.journal?.isInUse == true
        case .shm, .database:
            false
        }
    }

    /// Whether the log has commits and was not given up.
    private var isLogKept: Bool {
        guard context.options.isPrimary else { return false }
        _ = try? captureTail()
        return logs.hasFrames && !isLogGivenUp
    }

    /// Runs a change under the lock, and tells observers afterwards when it published a transaction.
    func changing(_ body: () throws(Errno) -> Void) throws(Errno) {
        let isNews = try locked { () throws(Errno) -> Bool in
            try body()
            defer { published = false }
            return published
        }
        if isNews { context.transactionsAppeared(in: self) }
    }

    /// Whether the file may change at all.
    private func checkChange(isOwn: Bool) throws(Errno) {
        if isClosing { throw .io }
        if context.options.isPrimary, fault != nil, !isLogUnknown { throw .readOnlyFileSystem }
        if !context.options.isPrimary, !isOwn { throw .readOnlyFileSystem }
    }

    /// A file without a name is written by those who have it open as on any file system, but not where the database is the replica of
    /// another node's: they would take what they write for committed.
    private func checkOrphan(isOwn: Bool) throws(Errno) {
        if !context.options.isPrimary, context.options.roleMayChange, !isOwn { throw .readOnlyFileSystem }
    }

    /// Whether pages of the database file may be written without a permit (L3).
    ///
    /// While a journal is in force they are part of a transaction, whose end is asked for, or of its rollback. A checkpoint writes pages that the
    /// log has, or that a later commit cut off. A rollback without a journal on disk (journal_mode=MEMORY) writes what was there. All else
    /// would be a commit.
    private func checkPermit(
        toWrite pages: ClosedRange<UInt32>,
        _ bytes: UnsafeRawBufferPointer,
        _ pageSize: PageSize
    ) throws(Errno) {
        if context.mayCommit || journal.isActive { return }
        if isCheckpoint(pages) { return }
        let page = PageNumber(pages.lowerBound)
        if pages.count == 1, bytes.count == pageSize.bytes, pages.lowerBound <= table.pageCount,
            PageChecksum.compute(page, bytes) == table[page]
        {
            return
        }
        throw .readOnlyFileSystem
    }

    /// Whether pages that are written have their committed content in the log, or none.
    ///
    /// A checkpoint may write pages that a later commit cut off; without a table nothing is known to be cut off.
    private func isCheckpoint(_ pages: ClosedRange<UInt32>) -> Bool {
        logs.newest.header != nil && table.pageSize != nil
            && pages.allSatisfy { walPages.contains(PageNumber($0)) || $0 > table.pageCount }
    }

    /// Whether a transaction may end that changes something.
    func checkPermitToCommit() throws(Errno) {
        if context.options.isPrimary, !context.mayCommit { throw .readOnlyFileSystem }
    }

    // MARK: - The database file

    /// Invariant 1: what is written here is not committed yet.
    ///
    /// The page joins `dirty` and is compared with the table when the journal ends, or, when no journal is
    /// in force, at the next quiet moment. In WAL mode it is a checkpoint, which changes where a page lies
    /// but not its committed content.
    private func writeDatabase(
        _ file: BackingFile,
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64
    ) throws(Errno) {
        guard !bytes.isEmpty else { return }
        let pageSize = pageSize(ofWrite: bytes, at: offset)
        let first = UInt32(clamping: offset / Int64(pageSize.rawValue) + 1)
        let last = UInt32(clamping: (offset + Int64(bytes.count) - 1) / Int64(pageSize.rawValue) + 1)
        // Until the queue is empty a recovery would need the pages as they are (docs/ARCHITECTURE.md, "Recovery").
        if context.options.isPrimary {
            try checkPermit(toWrite: first...last, bytes, pageSize)
            try captureTail()
            try drainQueue()
        }
        preservePagesForSnapshots(first...last)
        // Before the write: one that fails may have changed some of the pages.
        if context.options.isPrimary {
            lastDatabaseChange = .now
            noteUnjournalled(first...last)
        }
        try file.descriptor.write(bytes, at: offset, passing: .databaseWrite)
        if isLogPassing { noteCheckpointed(bytes, at: offset, pageSize) }
    }

    private func truncateDatabase(_ file: BackingFile, to size: Int64) throws(Errno) {
        try captureTail()
        let pageSize = table.pageSize ?? Self.defaultPageSize
        let old = pageSize.pages(toHold: try file.size())
        let new = UInt32(clamping: size / Int64(pageSize.rawValue))
        if !journal.isActive, new < table.pageCount { try checkPermitToCommit() }
        if old > new { preservePagesForSnapshots(new + 1...old) }
        try file.descriptor.truncate(to: size, passing: .databaseTruncate)
        lastDatabaseChange = .now
        // Pages that are cut off and come back as holes have other content than the table says. What lies beyond the
        // committed size is compared anyway when the database grows.
        let last = min(old, table.pageCount)
        if new == 0 || last > new { isLogGivenUp = true }
        guard context.options.isPrimary, last > new else { return }
        noteUnjournalled(new + 1...last)
    }

    /// Adds pages to those that must be compared, and asks for it when nothing else will end the transaction.
    private func noteUnjournalled(_ pages: ClosedRange<UInt32>) {
        dirty.insert(pages)
        if journal.isActive || (isTailVouched || !isLogPassing) && isCheckpoint(pages) { return }
        requestReconcile()
    }

    /// Page size of a database that has not said its own yet.
    static let defaultPageSize: PageSize = {
        guard let size = PageSize(4096) else { preconditionFailure("4096 is a page size") }
        return size
    }()

    /// Page size for the arithmetic of a write; the first write to a new database says it itself.
    private func pageSize(ofWrite bytes: UnsafeRawBufferPointer, at offset: Int64) -> PageSize {
        if offset == 0, bytes.count >= DatabaseHeader.size, let header = try? DatabaseHeader(bytes) {
            writtenPageSize = header.pageSize
            return header.pageSize
        }
        if let size = table.pageSize { return size }
        if let size = writtenPageSize, bytes.count == size.bytes { return size }
        return currentPageSize() ?? Self.defaultPageSize
    }

    /// Page size that the file itself says.
    func currentPageSize() -> PageSize? { databaseHeader()?.pageSize }

    /// Header of the database file as it is now; nil when there is no sound one.
    func databaseHeader() -> DatabaseHeader? {
        guard let file = files.database else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: DatabaseHeader.size, alignment: 8) { buffer in
            guard file.lenientRead(buffer, 0) == DatabaseHeader.size else { return nil }
            return try? DatabaseHeader(UnsafeRawBufferPointer(buffer))
        }
    }
}
