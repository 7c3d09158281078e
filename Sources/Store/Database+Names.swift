import Capture
import Faults
import LTX
import Logging
import POSIX
import SQLiteFormat

// A database gets its files, and loses them: creation, removal, renaming. The mount calls these while it holds its lock on
// names, so that two of them never meet.
extension Database {
    /// Takes over a file that became one of this database: it moves into the database's folder and keeps its inode.
    ///
    /// A database file takes the place of the one that was there, of which nothing stays (`replaceFile`).
    ///
    /// `localPath` is where the file is now.
    public func adopt(_ kind: DatabaseFileKind, _ file: BackingFile, from localPath: String) throws(Errno) {
        try changing { () throws(Errno) in
            // What could not be opened is not replaced by what a program makes because it does not see it.
            if fault != nil { throw .readOnlyFileSystem }
            try checkPermitToCommit()
            if kind == .database { try captureTail() }
            try drainQueue()
            nameChanges += 1
            if kind == .database, files.database != nil {
                try replaceFile(by: localPath)
            } else {
                try FaultPoint.namesAdopt.pass()
                try Files.rename(localPath, path(kind))
            }
            files[kind] = file
            movedIn[kind] = kind == .database ? nil : file
            lastDatabaseChange = .now
            switch kind {
            case .database:
                isLogGivenUp = true
                adoptDatabase()
            case .journal:
                journal = Self.journalState(of: file)
            case .wal, .wal2:
                try adoptLog()
            case .shm:
                break
            }
        }
    }

    /// All content of the file is in doubt: it replaces what the table knows.
    ///
    /// Also that which is written next: the log that came before the file may cover its pages, and what is in doubt about the
    /// log may have been put aside while there was no file to compare.
    private func adoptDatabase() {
        isShown = true
        writtenPageSize = nil
        doubtContent()
    }

    /// All pages are compared with the table at the next quiet moment; a commit in a log that comes before takes them with it.
    private func doubtContent() {
        let pageSize = currentPageSize() ?? table.pageSize ?? Self.defaultPageSize
        let pages = pageSize.pages(toHold: (try? files.database?.size()) ?? 0)
        let all = max(min(pages, 1), table.pageCount)
        if all > 0 {
            dirty.insert(1...all)
            suspect.insert(1...all)
        }
        requestReconcile()
    }

    /// Takes over a log of which nothing is known: all that it has is in doubt.
    func adoptLog() throws(Errno) {
        let content = try logContent()
        takeOver(content, captured: content.frameCount)
        walPages = PageSet(content.frames.pages)
        logOnly.removeAll()
        suspect.formUnion(walPages)
        if !walPages.isEmpty { requestReconcile() }
        checkVersions()
    }

    /// Compares all content anew: a program wrote to the file and nobody saw it.
    public func compareAgain() { locked { doubtContent() } }

    /// What is larger is compared when the rename has returned: it would keep everybody from all names of the folder.
    public static let comparedAtOnce: Int64 = 16 << 20

    /// Compares what was adopted, now, unless it is large: the caller knows that nobody is writing (a rename).
    public func reconcileAdopted(upTo size: Int64 = comparedAtOnce) throws(Errno) {
        try changing { () throws(Errno) in
            guard !journal.isActive, !logs.hasFrames, !isTableUnknown,
                try files.database?.size() ?? 0 <= size
            else { return }
            try emitDatabaseFile {}
            if unrecorded == nil { needsReconcile = false }
        }
    }

    /// Gives up a file other than the database file, which moves to `localPath` and stays as it is.
    public func release(_ kind: DatabaseFileKind, to localPath: String) throws(Errno) {
        precondition(kind != .database, "the database file goes by drop")
        try changing { () throws(Errno) in
            guard files[kind] != nil else { throw .noEntry }
            try checkPermitToCommit()
            nameChanges += 1
            switch kind {
            case .journal:
                try endJournal { () throws(Errno) in
                    try FaultPoint.namesRelease.pass()
                    try Files.rename(path(kind), localPath)
                }
            case .wal, .wal2:
                try captureTail()
                try drainQueue()
                try FaultPoint.namesRelease.pass()
                try Files.rename(path(kind), localPath)
                let pages = logs.frames.pages
                if let log = kind.log { logs.end(log) }
                walPages = PageSet(logs.frames.pages)
                logOnly.formIntersection(walPages)
                if !pages.isEmpty { markSuspect(pages) }
            default:
                try FaultPoint.namesRelease.pass()
                try Files.rename(path(kind), localPath)
            }
            files[kind] = nil
        }
    }

    /// Drops the database: one transaction with no pages.
    ///
    /// TXIDs go on when it is created again.
    ///
    /// Its file is removed, or moves to `localPath`. Its other files stay, as they do on any file system; see `release`.
    ///
    /// Invariant: the record of the drop is on disk, with those before it, when the file goes. A file that is gone says
    /// nothing about how it went: without the record the next start would find a database on record whose file is missing,
    /// and replicas would keep it.
    public func drop(movingTo localPath: String? = nil) throws(Errno) {
        try changing { () throws(Errno) in
            guard files.database != nil else { throw .noEntry }
            guard context.options.isPrimary else { throw .accessDenied }
            try checkPermitToCommit()
            try captureTail()
            try drainQueue()
            nameChanges += 1
            // Snapshots go on reading from the open file; nothing is overwritten.
            let remove = { () throws(Errno) in
                if self.table.pageCount > 0 { try self.log.synchronizeAll() }
                if let localPath {
                    try FaultPoint.namesDropRename.pass()
                    try Files.rename(self.path(.database), localPath)
                } else {
                    try FaultPoint.namesDropUnlink.pass()
                    try Files.unlink(self.path(.database))
                }
            }
            var isRecorded = true
            if let pageSize = table.pageSize, table.pageCount > 0 {
                logs.end()
                do throws(StoreError) {
                    let failure = try emitDifference(
                        in: PageSet(),
                        pageSize: pageSize,
                        pageCount: 0,
                        read: { _, _ in },
                        completing: remove
                    )
                    isRecorded = failure == nil
                } catch {
                    // It is still there, and so is its log.
                    try? adoptLog()
                    throw error.errno
                }
            } else {
                try remove()
            }
            files.database = nil
            // What the log still has is no commit of this database any more, whoever looks at it.
            followed = nil
            // Without a record the table says that one is missing.
            if isRecorded { table = PageChecksumTable() }
            dirty.removeAll()
            suspect.removeAll()
            walPages.removeAll()
            logOnly.removeAll()
            isTableUnknown = false
            needsReconcile = !isRecorded
            isShown = false
            fault = nil
        }
    }
}

extension Database {
    /// Whether the mount shows it.
    public var isShownOnMount: Bool { shown.withLock { $0.isShown } }

    /// Whether anybody has the database file open.
    public var isOpenOnMount: Bool { shown.withLock { $0.files.database?.isInUse == true } }

    /// Puts the names of its files on disk, if any of them changed since the last time.
    ///
    /// A database that was dropped is no exception: that its file is gone is what a program wants on disk that syncs the
    /// folder after removing it.
    public func synchronizeNames() throws(Errno) {
        let (changes, isNeeded) = locked { (nameChanges, namesOnDisk < nameChanges) }
        guard isNeeded else { return }
        try FaultPoint.namesSync.pass()
        try Files.synchronizeDirectory(directory)
        locked { namesOnDisk = max(namesOnDisk, changes) }
    }
}
