import Capture
import Faults
import LTX
import POSIX
import SQLiteFormat

// Commits of a database with a rollback journal: the commit point is the end of the journal.
extension Database {
    /// Writes to the journal.
    ///
    /// After an error the file says whether the journal is still in force: half of a header that was to be overwritten with
    /// zeros ends a transaction as well as all of it, and no later operation would.
    func writeJournal(_ file: BackingFile, _ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno) {
        do throws(Errno) {
            try writeJournalBytes(file, bytes, at: offset)
        } catch {
            journal = Self.journalState(of: file)
            if !journal.isActive, !dirty.isEmpty { requestReconcile() }
            throw error
        }
    }

    /// What the first bytes of a journal say.
    static func journalState(of file: BackingFile) -> JournalState {
        withUnsafeTemporaryAllocation(byteCount: 8, alignment: 8) { bytes in
            file.lenientRead(bytes, 0) == 8
                ? JournalState(prefix: UnsafeRawBufferPointer(bytes)) : JournalState()
        }
    }

    private func writeJournalBytes(
        _ file: BackingFile,
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64
    ) throws(Errno) {
        if journal.wouldEnd(writing: bytes, at: offset) {
            try endJournal { () throws(Errno) in
                try file.descriptor.write(bytes, at: offset, passing: .journalWrite)
            }
        } else {
            try checkPermitToCommit()
            try file.descriptor.write(bytes, at: offset, passing: .journalWrite)
            lastDatabaseChange = .now
            journal.wrote(bytes, at: offset)
        }
    }

    /// Ends the transaction that the journal protects: emits what changed, and carries out `operation`, which makes the journal
    /// go.
    ///
    /// Invariant 5. The transaction is in a temporary file before `operation`, and published after it. When it cannot be
    /// stored, `operation` is not carried out and the caller gets the error: the journal is still in force, and SQLite
    /// rolls back. The pages of a transaction that rolled back equal the table: then there is no transaction.
    func endJournal(_ operation: () throws(Errno) -> Void) throws(Errno) {
        try captureTail()
        // With committed frames in the log the database file is not the committed state: nothing ends here but a left-over.
        if logs.hasFrames || !journal.isActive && dirty.isEmpty && !isTableUnknown {
            try operation()
            journal.ended()
            return
        }
        try drainQueue()
        if isTableUnknown { try learnTable(operation) } else { try emitDatabaseFile(operation) }
        journal.ended()
        wasSynced = false
        // Whatever happens here, the commit stands.
        try? FaultPoint.commitPublished.pass()
    }

    /// Compares the pages of the database file that may have changed, and emits those that did.
    func emitDatabaseFile(_ operation: () throws(Errno) -> Void) throws(Errno) {
        guard let file = files.database else { return try operation() }
        let size = try file.size()
        guard let header = databaseHeader() else {
            if size == 0 { return try emitEmptied(operation) }
            context.logger.warning(
                "database \"\(name)\": the file has no sound header; its content is not replicated"
            )
            return try operation()
        }
        var candidates = dirty
        candidates.formUnion(suspect)
        do throws(StoreError) {
            let failure = try emitDifference(
                in: candidates,
                pageSize: header.pageSize,
                pageCount: header.committedPageCount(fileSize: size),
                isCommit: true,
                read: { page, buffer in readDatabaseFile(page, header.pageSize, into: buffer) },
                completing: operation
            )
            // The transaction stands; its pages stay in `dirty` until they are recorded.
            if failure != nil { return }
        } catch {
            if context.mayCommit {
                context.logger.warning("database \"\(name)\": a transaction failed: \(error)")
            }
            throw error.errno
        }
        dirty.removeAll()
        suspect.removeAll()
    }

    /// The file lost all its content: rolled back to nothing, or truncated.
    private func emitEmptied(_ operation: () throws(Errno) -> Void) throws(Errno) {
        if table.pageCount > 0, let pageSize = table.pageSize {
            do throws(StoreError) {
                let failure = try emitDifference(
                    in: PageSet(),
                    pageSize: pageSize,
                    pageCount: 0,
                    isCommit: true,
                    read: { _, _ in },
                    completing: operation
                )
                if failure != nil { return }
            } catch {
                throw error.errno
            }
        } else {
            try operation()
        }
        dirty.removeAll()
        suspect.removeAll()
    }

    /// The first moment after an unclean stop with a hot journal at which the committed state is known.
    ///
    /// It is not known whether that is the end of a commit or of a rollback.
    private func learnTable(_ operation: () throws(Errno) -> Void) throws(Errno) {
        try checkPermitToCommit()
        try operation()
        journal.ended()
        requestReconcile()
        do throws(StoreError) {
            if try reconcileFile() { needsReconcile = false }
        } catch {
            context.logger.warning("database \"\(name)\": cannot compare pages yet: \(error)")
        }
    }

    /// Reads a page of the database file; what lies beyond its end reads as zeros.
    func readDatabaseFile(
        _ page: PageNumber,
        _ pageSize: PageSize,
        into buffer: UnsafeMutableRawBufferPointer
    ) {
        let target = UnsafeMutableRawBufferPointer(rebasing: buffer[..<pageSize.bytes])
        let count =
            files.database?.lenientRead(target, Int64(page.rawValue - 1) * Int64(pageSize.rawValue)) ?? 0
        if count < target.count {
            UnsafeMutableRawBufferPointer(rebasing: target[count...])
                .initializeMemory(as: UInt8.self, repeating: 0)
        }
    }
}
