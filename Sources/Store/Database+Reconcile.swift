import Capture
import LTX
import Logging
import POSIX
import SQLiteFormat

// Reconciling: pages are compared with the table, and those that differ become one transaction. The journal's end uses it
// with the pages that were written; everything else that breaks the chain of captures uses it with the pages in doubt.
extension Database {
    /// Asks the reconciler to look at this database.
    ///
    /// Call with `monitor` held.
    func requestReconcile() {
        needsReconcile = true
        context.reconcileRequests.ring()
    }

    /// Emits the pages of the logical content (log over database file) that differ from the table.
    func emitLogical(_ candidates: PageSet, pageSize: PageSize, pageCount: UInt32) throws(StoreError) {
        let reader = logicalReader(pageSize)
        let failure = try emitDifference(
            in: candidates,
            pageSize: pageSize,
            pageCount: pageCount,
            read: { page, buffer in reader.read(page, into: buffer) },
            completing: checkLogStands
        )
        if let failure { throw failure }
        suspect.removeAll()
        counters.reconciled.increment()
    }

    /// Compares pages with the table and makes one transaction of those that differ.
    ///
    /// Call with `monitor` held and the queue empty.
    ///
    /// Invariants 1 and 5. Table and position change only after the file has its final name, and the version bytes with them:
    /// they are those of the page 1 that the table knows. Nothing differs: no transaction.
    ///
    /// - Parameters:
    /// - candidates: pages to compare. Pages that the table does not know are always compared.
    /// - pageSize: size of the pages now. When it changed, every page is part of the transaction.
    /// - pageCount: size of the database now.
    /// - isForced: whether it is a transaction even when nothing differs: the table is not what replicas have.
    /// - isCommit: whether a program waits for it, which must not be told so without a permit (L1). What was told already is recorded
    ///   in any case.
    /// - read: fills a buffer with a page.
    /// - completing: carried out when the transaction is stored, before it is published. If it throws, nothing happened.
    /// - Returns: nil, or why the transaction could not be published although `completing` was carried out. Then it stands
    ///   in SQLite's files and only its record is missing: the caller must leave the pages in doubt, so that the reconciler
    ///   makes it again from them.
    func emitDifference(
        in candidates: PageSet,
        pageSize: PageSize,
        pageCount: UInt32,
        isForced: Bool = false,
        isCommit: Bool = false,
        read: (PageNumber, UnsafeMutableRawBufferPointer) -> Void,
        completing operation: () throws(Errno) -> Void
    ) throws(StoreError) -> StoreError? {
        try checkSize(pageCount, pageSize)
        let isRebuilt = table.pageSize != pageSize
        var draft = TableDraft(table, pageSize: pageSize, isRebuilt: isRebuilt)
        let buffer = Buffer(count: pageSize.bytes)
        var writer: LTXFileWriter?
        var versionBytes = versionBytes
        guard let txid = position.txid.next else {
            throw .fault(database: name.text, reason: "no more transaction IDs")
        }
        let header = nextHeader(txid: txid, pageSize: pageSize, pageCount: pageCount)

        func compare(_ page: PageNumber) throws(StoreError) {
            if page == pageSize.lockPage { return }
            read(page, buffer.bytes)
            let checksum = PageChecksum.compute(page, UnsafeRawBufferPointer(buffer.bytes))
            guard draft.change(page, to: checksum, in: table) else { return }
            if page == .first { versionBytes = DatabaseHeader.versionBytes(ofPage1: buffer.bytes) }
            if writer == nil { writer = try LTXFileWriter(log, header: header, encoders: context.encoders) }
            try writer?.append(page, UnsafeRawBufferPointer(buffer.bytes))
        }
        let known = isRebuilt ? 0 : min(table.pageCount, pageCount)
        try candidates.visitPages { page throws(StoreError) in
            if page.rawValue <= known { try compare(page) }
        }
        var page = known
        while page < pageCount {
            page += 1
            try compare(PageNumber(page))
        }
        draft.resize(to: pageCount, in: table)
        if writer == nil, isForced || pageCount != table.pageCount {
            writer = try LTXFileWriter(log, header: header, encoders: context.encoders)
        }
        guard let writer else {
            try complete(operation)
            return nil
        }

        let postApply = draft.databaseChecksum
        try writer.finish(postApply: postApply, synchronize: wasSynced)
        // Storing it took time.
        if isCommit, !context.mayCommit {
            throw .file(FileError("commit to", path(.database), .readOnlyFileSystem))
        }
        try complete(operation)
        // The bytes are on disk. A file that power failure leaves under its temporary name gets the other one at the start; only of a
        // database that begins or ends the record must be found for certain.
        let isNameNeeded = pageCount == 0 || txid == TXID(1)
        do throws(StoreError) {
            try writer.publish(synchronize: wasSynced && isNameNeeded)
        } catch {
            requestReconcile()
            if unrecorded == nil {
                context.logger.error(
                    "database \"\(name)\": cannot publish transaction \(txid), will try again: \(error)"
                )
            }
            unrecorded = error
            return error
        }
        draft.apply(to: &table)
        self.versionBytes = versionBytes
        position = Position(txid: txid, postApply: postApply)
        timestamp = header.timestampMilliseconds
        counters.commits.increment()
        published = true
        return nil
    }

    private func complete(_ operation: () throws(Errno) -> Void) throws(StoreError) {
        do throws(Errno) {
            try operation()
        } catch {
            throw .file(FileError("complete a transaction of", name.text, error))
        }
    }

    private func nextHeader(txid: TXID, pageSize: PageSize, pageCount: UInt32) -> LTXHeader {
        var header = LTXHeader(
            isCompressed: context.options.compress,
            pageSize: pageSize,
            commit: pageCount,
            minTXID: txid,
            maxTXID: txid,
            timestampMilliseconds: WallClock.milliseconds,
            preApply: txid == TXID(1) ? .zero : position.postApply,
            nodeID: context.options.nodeID
        )
        let wal = logs.lastWithFrames
        if let log = wal.header, wal.committedFrames > 0 {
            header.walOffset = Int64(WALHeader.size)
            header.walSize = wal.capturedBytes - Int64(WALHeader.size)
            header.walSalt1 = log.salt1
            header.walSalt2 = log.salt2
        }
        return header
    }

    // MARK: - The quiet moment

    /// What a visit of the reconciler came to.
    enum ReconcileOutcome {
        /// Nothing is in doubt any more.
        case clean
        /// A program is in the middle of a transaction; come again.
        case busy
        /// A journal is in force and nobody holds a lock: its program died.
        ///
        /// SQLite must roll it back.
        case hotJournal
        /// The difference could not be stored; come again later.
        case failed(StoreError)
    }

    /// Compares what is in doubt, if the committed state can be read now.
    ///
    /// In rollback mode the database file is the committed state when no journal is in force and nobody holds the EXCLUSIVE
    /// lock, which SQLite takes before it writes to the file. Both are asked for, not taken, while `monitor` keeps every write
    /// out: so no program ever finds the database locked because of us.
    ///
    /// The probe has the database file open. What the visit came to is returned.
    func reconcile(asking probe: LockProbe) -> ReconcileOutcome {
        defer { announceIfPublished() }
        return locked {
            guard needsReconcile || isTableUnknown else { return .clean }
            if isClosing { return .clean }
            if isLogUnknown { return .busy }
            guard files.database != nil else { return reconcileDropped() }
            let isLocked = probe.isExclusive
            if journal.isActive {
                return isLocked || probe.isReserved || isJournalAttended ? .busy : .hotJournal
            }
            do throws(StoreError) {
                try drainForReconcile()
                if logs.hasFrames {
                    try reconcileLogical()
                } else {
                    if isLocked { return .busy }
                    guard try reconcileFile() else { return .busy }
                }
            } catch {
                unrecorded = error
                return .failed(error)
            }
            noteReconciled()
            return .clean
        }
    }

    /// A journal that nobody has open is hot when its database has not changed for so long while somebody waits for its content:
    /// whoever copies a database with its journals, file by file, is done.
    private static let restOfAwaitedJournal = Duration.seconds(2)
    /// The same when nobody waits.
    ///
    /// A native folder would keep the journal for the next program that opens the database; that may be one that saved a state
    /// with a transaction under way, and comes back to it.
    private static let restOfJournal = Duration.seconds(60)

    /// Whether somebody may still end the transaction of an active journal.
    ///
    /// Locks do not tell it alone: a program may use others than SQLite's own, or none (`nolock=1`). But whoever is in a transaction
    /// has its journal open, and a process that dies closes it.
    private var isJournalAttended: Bool {
        if files.journal?.isInUse == true { return true }
        let isAwaited = isTableUnknown || awaitingSnapshot > 0
        let rest = isAwaited ? Self.restOfAwaitedJournal : Self.restOfJournal
        return MonotonicTime.now - lastDatabaseChange < rest
    }

    private func noteReconciled() {
        needsReconcile = false
        if unrecorded != nil { context.logger.info("database \"\(name)\": transactions can be stored again") }
        unrecorded = nil
    }

    /// A database that was dropped and whose last transaction has no record yet.
    private func reconcileDropped() -> ReconcileOutcome {
        isTableUnknown = false
        if table.pageCount > 0, let pageSize = table.pageSize {
            do throws(StoreError) {
                let failure = try emitDifference(
                    in: PageSet(),
                    pageSize: pageSize,
                    pageCount: 0,
                    read: { _, _ in },
                    completing: {}
                )
                if let failure { throw failure }
            } catch {
                unrecorded = error
                return .failed(error)
            }
        }
        table = PageChecksumTable()
        noteReconciled()
        return .clean
    }

    /// Compares nothing: the mount does not show the database.
    func reconcileHidden() -> ReconcileOutcome {
        defer { announceIfPublished() }
        return locked {
            guard needsReconcile, !isClosing, files.database == nil else { return .clean }
            return reconcileDropped()
        }
    }

    private func drainForReconcile() throws(StoreError) {
        do throws(Errno) {
            try captureTail()
            try drainQueue()
        } catch {
            throw logFailure ?? .file(FileError("store the transactions of", name.text, error))
        }
    }

    /// In WAL mode the committed frames and the database file together are the committed state, whoever writes.
    private func reconcileLogical() throws(StoreError) {
        guard let pageSize = logs.lastWithFrames.pageSize else { return }
        let pageCount = logicalPageCount(pageSize)
        if isTableUnknown { return try rebuildTable(pageSize: pageSize, pageCount: pageCount) }
        var candidates = suspect
        dirty.visitPages { if !walPages.contains($0) || !isTailVouched { candidates.insert($0) } }
        try emitLogical(candidates, pageSize: pageSize, pageCount: pageCount)
        dirty.removeAll()
    }

    /// Size of the database in pages by the last captured frame, which commits.
    ///
    /// The log may have frames of a commit behind it that is not published yet.
    private func logicalPageCount(_ pageSize: PageSize) -> UInt32 {
        let last = logs.lastWithFrames
        guard last.committedFrames > 0,
            let size = commitSize(at: FramePlace(last.committedFrames, in: last.file), pageSize), size > 0
        else { return table.pageCount }
        return size
    }

    /// A file without content, or shorter than its header says, is taken for one that is just being copied, until it has rested
    /// for so long: then it is an empty or a damaged database, which is replicated as it is.
    private static let restOfShortFile = Duration.seconds(2)

    private var isBeingWritten: Bool { MonotonicTime.now - lastDatabaseChange < Self.restOfShortFile }

    /// Returns false when the file is not whole yet: a copy of a database is just being written.
    func reconcileFile() throws(StoreError) -> Bool {
        guard let header = databaseHeader(), let size = try? files.database?.size() else {
            if (try? files.database?.size()) == 0 {
                // Whoever copies another file over it empties it first.
                if !isTableUnknown, isBeingWritten || files.database?.isShared == true { return false }
                try learnEmptied()
            }
            dirty.removeAll()
            return true
        }
        let isStamped = header.pageCount != 0 && header.changeCounter == header.versionValidFor
        if isStamped, header.pageCount(ofFile: size) < header.pageCount, isBeingWritten { return false }
        let pageCount = header.committedPageCount(fileSize: size)
        if isTableUnknown {
            try rebuildTable(pageSize: header.pageSize, pageCount: pageCount)
        } else {
            var candidates = dirty
            candidates.formUnion(suspect)
            let failure = try emitDifference(
                in: candidates,
                pageSize: header.pageSize,
                pageCount: pageCount,
                read: { page, buffer in readDatabaseFile(page, header.pageSize, into: buffer) },
                completing: {}
            )
            if let failure { throw failure }
            counters.reconciled.increment()
        }
        dirty.removeAll()
        suspect.removeAll()
        return true
    }

    /// The file has no content: its first transaction was rolled back, somebody truncated it, or SQLite removed a log beside it,
    /// which it takes for a left-over when the file is empty.
    ///
    /// When the position has content, replicas have what is gone here, and drop it. Its transaction files stay for
    /// `data.retention`.
    private func learnEmptied() throws(StoreError) {
        table = PageChecksumTable()
        if position.postApply != .zero, position.postApply != table.databaseChecksum {
            context.logger.warning(
                "database \"\(name)\": its file is empty, without the content of position \(position); replicas drop that, too"
            )
            let failure = try emitDifference(
                in: PageSet(),
                pageSize: Self.defaultPageSize,
                pageCount: 0,
                isForced: true,
                read: { _, _ in },
                completing: {}
            )
            if let failure { throw failure }
        }
        isTableUnknown = false
        suspect.removeAll()
    }

    /// Learns all checksums from the pages.
    ///
    /// When they do not add up to the position, everything is one transaction.
    func rebuildTable(pageSize: PageSize, pageCount: UInt32) throws(StoreError) {
        try checkSize(pageCount, pageSize)
        let reader = logicalReader(pageSize)
        let learned = reader.table(pageCount: pageCount)
        do throws(Errno) {
            try checkLogStands()
        } catch {
            throw .file(FileError("read", path(.wal), error))
        }
        if learned.databaseChecksum == position.postApply {
            table = learned
            let page1 = Buffer(count: pageSize.bytes)
            reader.read(.first, into: page1.bytes)
            versionBytes = DatabaseHeader.versionBytes(ofPage1: page1.bytes)
        } else {
            context.logger.warning(
                "database \"\(name)\": content differs from position \(position); emitting all of it as one transaction"
            )
            table = PageChecksumTable()
            let failure = try emitDifference(
                in: PageSet(),
                pageSize: pageSize,
                pageCount: pageCount,
                read: { page, buffer in reader.read(page, into: buffer) },
                completing: checkLogStands
            )
            if let failure { throw failure }
        }
        isTableUnknown = false
        suspect.removeAll()
    }

    /// Tells observers about transactions that were published under the lock.
    ///
    /// Call without it.
    func announceIfPublished() {
        let isNews = locked {
            defer { published = false }
            return published
        }
        if isNews { context.transactionsAppeared(in: self) }
    }
}
