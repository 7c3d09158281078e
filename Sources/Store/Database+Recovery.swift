import Apply
import Capture
import Faults
import LTX
import Logging
import POSIX
import SQLiteFormat

// Opening a database: which position does its content have? Nobody else sees the files yet, but the log writer starts as soon
// as a commit is captured again: so all of it holds the lock.
//
// After a clean stop the saved checksums say it. After an unclean one the newest sound LTX file names the position n, and:
//
//   primary   The state at n is the log's frames up to the one that file n was made of, over the database file. Commits
//             behind it are captured again, with the same TXIDs. If that state does not have the checksum of n (power
//             failed, or somebody changed the files), the content is right and the record is not: all of it becomes
//             one transaction. A hot journal is left to SQLite; the table is learned when it was rolled back.
//   replica   The local log may hold transactions whose files were not synced, or lack some that were: the content's
//             checksum is looked up among the files. Unknown content is fetched again.
extension Database {
    /// Opens the files and finds the position.
    ///
    /// Content is never thrown away.
    ///
    /// Invariant: the log writer takes the first commit only when all are captured and what was left behind under temporary
    /// names is gone. Its own files have such names, too.
    func open() throws(StoreError) {
        try locked { () throws(StoreError) in
            defer { log.removeTemporaries() }
            try openAndRecover()
        }
    }

    private func openAndRecover() throws(StoreError) {
        let isTakeover = context.options.isTakeover
        let handedOver = try takeHandover()
        let saved = isTakeover ? handedOver : try takeSavedChecksums()
        do throws(Errno) {
            try finishReplacement()
        } catch {
            throw .file(FileError("finish the replacement of", path(.database), error))
        }
        if isTakeover { try openFilesInUse() } else { try openFiles() }
        if let saved, isCurrent(saved) {
            try resume(saved)
        } else if files.database == nil {
            try recoverMissing()
        } else if context.options.isPrimary {
            try isTakeover ? takeOverPrimary() : recoverPrimary()
        } else {
            try recoverReplica()
        }
        replica.expected = position
        isShown =
            !replica.isTorn && table.pageCount > 0 || isTableUnknown
            || isTakeover && context.options.isPrimary && files.database != nil
    }

    /// Opens the files of a mount that begins: nobody has them open, or is kept from them.
    private func openFiles() throws(StoreError) {
        if context.options.isPrimary {
            do throws(FileError) {
                for kind in [DatabaseFileKind.wal, .wal2] {
                    try LogFence(log: path(kind), directory: directory, name: name, logger: context.logger)
                        .close()
                }
            } catch {
                throw .file(error)
            }
        }
        do throws(Errno) {
            try FaultPoint.recoveryIndexUnlink.pass()
            try Files.unlink(path(.shm), ifExists: true)
            try openNamedFiles()
            if let file = files.database, try file.size() == 0, table.pageCount == 0, log.newest == nil {
                // Created and never written: nothing to replicate.
                files.database = nil
                try Files.unlink(path(.database))
            }
        } catch {
            throw .file(FileError("open", directory, error))
        }
    }

    /// Opens all files that have their name, and removes what came of a first content that broke off.
    func openNamedFiles() throws(Errno) {
        for entry in try Files.list(directory) where entry.name.contains(Self.partialInfix) {
            try Files.unlink(directory + "/" + entry.name)
        }
        for kind in DatabaseFileKind.allCases where Files.exists(path(kind)) {
            files[kind] = try BackingFile.open(path(kind), .readWrite)
        }
    }

    var hasHotJournal: Bool { files.journal.map(Self.journalState)?.isActive ?? false }

    // MARK: - Clean

    /// What is known of the content after a clean stop.
    private var checksumsPath: String { directory + "/" + Self.checksumsName }

    static let checksumsName = "checksums"

    /// Whether saved checksums are those of the files.
    ///
    /// A log that programs write to while its daemon is replaced need not be the same.
    private func isCurrent(_ saved: SavedChecksums) -> Bool {
        saved.database == SavedChecksums.Stamp(files.database)
            && (context.options.isTakeover
                || saved.logs == WALFile.allCases.map { SavedChecksums.Stamp(files[$0]) })
            && !hasHotJournal && saved.position.txid == log.newest?.name.maxTXID ?? .zero
    }

    /// Reads the saved checksums, and removes them.
    ///
    /// Invariant: as long as they have a name on disk, nothing changes what they vouch for. So the removal is synced before
    /// anybody can write: after a power failure they would come back, beside files whose content is newer while their time of
    /// change, which fdatasync does not put on disk, is still the old one.
    private func takeSavedChecksums() throws(StoreError) -> SavedChecksums? {
        let path = checksumsPath
        guard let bytes = try? Files.read(path, limit: 1 << 32) else { return nil }
        do throws(Errno) {
            try FaultPoint.recoveryChecksumsUnlink.pass()
            try Files.unlink(path)
            try FaultPoint.recoveryChecksumsSync.pass()
            try Files.synchronizeDirectory(directory)
        } catch {
            throw .file(FileError("remove", path, error))
        }
        return SavedChecksums(bytes)
    }

    /// The daemon before ended in good order.
    ///
    /// Invariant: the table is that of the captured frames, whatever the log has more by now. If programs went on to write to it, a log with
    /// other salts began after all of the one before was captured (T3 of the architecture).
    private func resume(_ saved: SavedChecksums) throws(StoreError) {
        table = saved.table
        position = saved.position
        timestamp = saved.timestamp
        versionBytes = saved.versionBytes
        let content = try readPublishedLog()
        guard context.options.isPrimary else { return try prepareReplica(content) }
        noteOtherVersionBytes(content)
        // A log without frames at the stop has no captured ones.
        let captured = saved.capturedFrames == 0 ? 0 : saved.capturedFrames(in: content)
        if captured == nil, !context.options.isTakeover {
            // It changed, although its files did not: nothing is captured twice.
            isTableUnknown = true
            requestReconcile()
            return try followLog(content, capturedThrough: content.frameCount)
        }
        try followLog(content, capturedThrough: captured ?? 0)
    }

    /// A replica's page 1 says another journal mode than the primary's did, which the table is of: now it is the primary's.
    private func noteOtherVersionBytes(_ content: LogContent) {
        guard let pageSize = table.pageSize else { return }
        let reader = LogicalReader(files: files, frames: content.frames, pageSize: pageSize)
        guard reader.versionBytes != versionBytes else { return }
        suspect.insert(1...1)
        requestReconcile()
    }

    /// Saves the checksums for the next start.
    ///
    /// Invariant: what they vouch for is on disk before they are. Programs do not sync all that they write (`synchronous` OFF,
    /// and NORMAL in WAL mode), and size and time of change may be on disk while the content is not.
    ///
    /// Call when nobody can write any more.
    func saveChecksums() throws(StoreError) {
        guard let saved = try currentChecksums() else { return }
        do throws(Errno) {
            try files.database?.descriptor.synchronize(passing: .checksumsDatabaseSync)
            try files.wal?.descriptor.synchronize(passing: .checksumsLogSync)
            try files.wal2?.descriptor.synchronize(passing: .checksumsLogSync)
            try log.synchronize()
            try Files.replace(checksumsPath, with: saved.encoded()) { step throws(Errno) in
                switch step {
                case .write: try FaultPoint.checksumsWrite.pass()
                case .synchronize: try FaultPoint.checksumsSync.pass()
                case .rename: try FaultPoint.checksumsRename.pass()
                case .synchronizeFolder: try FaultPoint.checksumsFolderSync.pass()
                }
            }
        } catch {
            throw .file(FileError("save", checksumsPath, error))
        }
    }

    /// What is known of the content; nil while anything is in doubt.
    func currentChecksums() throws(StoreError) -> SavedChecksums? {
        guard table.pageCount > 0, !isTableUnknown, !needsReconcile, suspect.isEmpty, fault == nil,
            queue.isEmpty,
            files.database != nil, !journal.isActive, !replica.needsResync
        else { return nil }
        // On a replica it is the daemon that writes the log, and all that it holds is what the table says.
        let frames = context.options.isPrimary ? logs.frames : try readLog().frames
        let part = frames.newest.isEmpty ? frames.file.other : frames.file
        let header =
            context.options.isPrimary ? logs[part].header : files[part].flatMap { WALHeader(in: $0) }
        return SavedChecksums(
            position: position,
            timestamp: timestamp,
            table: table,
            versionBytes: versionBytes,
            files: files,
            capturedFrames: UInt32(frames[part].count),
            header: frames[part].isEmpty ? nil : header
        )
    }

    // MARK: - Records

    struct Record {
        var header: LTXHeader
        var position: Position
    }

    /// Position of the newest file that is whole.
    ///
    /// Files behind it that are not are set aside: power failed before they were on disk, and their
    /// transactions are captured again or fetched again.
    func newestSoundPosition() -> Record? {
        while let file = log.newest {
            if let record = readRecord(file.name) { return record }
            let path = log.path(of: file.name)
            context.logger.warning("database \"\(name)\": \(path) is damaged; set aside as \(path).damaged")
            try? FaultPoint.recoveryDamagedRename.pass()
            try? Files.rename(path, path + ".damaged")
            log.forget(file.name)
        }
        return nil
    }

    private func readRecord(_ name: LTXFileName) -> Record? { readRecord(name, at: log.path(of: name)) }

    private func readRecord(_ name: LTXFileName, at path: String) -> Record? {
        guard let file = try? FileDescriptor.open(path, .readOnly) else { return nil }
        let decoder = LTXDecoder()
        let buffer = Buffer(count: 1 << 20)
        var header: LTXHeader?
        var trailer: LTXTrailer?
        var offset: Int64 = 0
        decoder.begin()
        do {
            while true {
                let count = try file.read(into: buffer.bytes, at: offset)
                if count == 0 { break }
                try decoder.feed(UnsafeRawBufferPointer(rebasing: buffer.bytes[..<count])) { event in
                    if case .header(let value) = event { header = value }
                    if case .trailer(let value) = event { trailer = value }
                }
                offset += Int64(count)
            }
            try decoder.finish()
        } catch {
            return nil
        }
        guard let header, let trailer, header.fileName == name else { return nil }
        return Record(header: header, position: Position(txid: header.maxTXID, postApply: trailer.postApply))
    }

    func readLog() throws(StoreError) -> LogContent {
        do throws(Errno) {
            return try logContent()
        } catch {
            throw .file(FileError("read", path(.wal), error))
        }
    }

    /// There is no database file: it was dropped, or has not been made yet, or somebody took it away.
    private func recoverMissing() throws(StoreError) {
        guard let record = newestSoundPosition() else { return }
        position = record.position
        timestamp = record.header.timestampMilliseconds
        if record.header.commit == 0 { return }
        if !context.options.isPrimary {
            // Invariant: a replica's position is that of content which it has. One that died between the record of a snapshot and
            // its content has the one without the other.
            position = .zero
            replica.needsResync = true
            context.logger.warning(
                "database \"\(name)\": \(path(.database)) is missing; fetching it from the primary"
            )
            return
        }
        // Whoever drops a database puts the record of that on disk before the file goes; see `drop`.
        if try publishUnfinished(after: position, content: PageChecksumTable()) { return }
        context.logger.error(
            "database \"\(name)\": \(path(.database)) is missing, but transaction \(record.header.maxTXID) is on "
                + "record; restore the file, or create the database anew"
        )
    }

    // MARK: - Primary

    private func recoverPrimary() throws(StoreError) {
        let record = newestSoundPosition()
        position = record?.position ?? .zero
        timestamp = record?.header.timestampMilliseconds ?? 0
        if hasHotJournal {
            journal = JournalState(isActive: true)
            isTableUnknown = true
            requestReconcile()
            context.logger.info(
                "database \"\(name)\": a transaction was interrupted; SQLite will roll it back"
            )
            return
        }
        let content = try readLog()
        if isLeftUnknown() { return }
        if record?.header.commit == 0, (try? files.database?.size()) == 0, content.frameCount == 0 {
            // The content was dropped or rolled back; a file without any is nothing to replicate.
            return
        }
        guard (try? files.database?.size()) != nil,
            let pageSize = content.header?.pageSize ?? currentPageSize()
        else {
            context.logger.error(
                "database \"\(name)\": \(path(.database)) has no sound header; it is kept and not replicated"
            )
            return
        }
        let reader = LogicalReader(files: files, frames: content.frames, pageSize: pageSize)
        noteVersionBytes(ofTable: reader)
        let pageCount = content.pageCount > 0 ? content.pageCount : pagesOfFile(pageSize)
        do throws(StoreError) {
            try checkSize(pageCount, pageSize)
        } catch {
            return context.logger.error("\(error); it is kept and not replicated")
        }
        if let record, try goOn(from: record, to: reader.table(pageCount: pageCount), content) { return }
        if let record {
            context.logger.warning(
                "database \"\(name)\": content differs from position \(record.position) after an unclean stop; "
                    + "emitting all of it as one transaction"
            )
        }
        try followLog(content, capturedThrough: content.frameCount)
        do throws(StoreError) {
            let failure = try emitDifference(
                in: PageSet(),
                pageSize: pageSize,
                pageCount: pageCount,
                read: { page, buffer in reader.read(page, into: buffer) },
                completing: {}
            )
            if let failure { throw failure }
        } catch {
            // A full disk must not make the database useless until the next start: the reconciler tries again.
            isTableUnknown = true
            unrecorded = error
            requestReconcile()
            context.logger.warning("database \"\(name)\": its content waits to be stored: \(error)")
        }
        published = false
    }

    /// Whether the log has a format that is not known.
    ///
    /// What its checkpoints left in the database file need not be a committed state then.
    func isLeftUnknown() -> Bool {
        checkVersions()
        if isLogUnknown { isTableUnknown = true }
        return isLogUnknown
    }

    /// Pages of the database file, as its header says or its size.
    func pagesOfFile(_ pageSize: PageSize) -> UInt32 {
        let size = (try? files.database?.size()) ?? 0
        return databaseHeader()?.committedPageCount(fileSize: size)
            ?? UInt32(clamping: size / Int64(pageSize.rawValue))
    }

    /// Goes on from a record that explains the content: all of it, or what it was before the last commits in the log, or before the
    /// transaction that did not get its final name.
    ///
    /// - Parameters:
    ///   - record: the newest one.
    ///   - final: checksums of the content with all of the log.
    ///   - content: the log.
    /// - Returns: whether it does; then the table and the log are taken over.
    /// - Throws: `StoreError`.
    func goOn(
        from record: Record,
        to final: PageChecksumTable,
        _ content: LogContent
    ) throws(StoreError) -> Bool {
        if final.databaseChecksum == record.position.postApply {
            table = final
            try followLog(content, capturedThrough: content.frameCount)
            return true
        }
        if let captured = capturedFrames(of: record.header, in: content) {
            let base = baseTable(final, content, capturedThrough: captured)
            if base.databaseChecksum == record.position.postApply {
                table = base
                try followLog(content, capturedThrough: captured)
                return true
            }
        }
        guard try publishUnfinished(after: record.position, content: final) else { return false }
        try followLog(content, capturedThrough: content.frameCount)
        return true
    }

    /// Invariant 5: a rollback-journal transaction whose journal is gone, but whose file did not get its
    /// final name before the daemon died.
    ///
    /// The file is whole, and leads from the position to the content: it gets its name now.
    private func publishUnfinished(
        after position: Position,
        content: PageChecksumTable
    ) throws(StoreError) -> Bool {
        guard let txid = position.txid.next, let name = LTXFileName(minTXID: txid, maxTXID: txid),
            let record = readRecord(name, at: log.temporaryPath(of: name)),
            record.header.preApply == position.postApply,
            record.position.postApply == content.databaseChecksum
        else { return false }
        let path = log.path(of: name)
        do throws(Errno) {
            try FaultPoint.recoveryUnfinishedRename.pass()
            try Files.rename(log.temporaryPath(of: name), path)
            let status = try Files.status(path)
            log.append(
                LTXFile(
                    name: name,
                    byteCount: Int(status.size),
                    preApply: record.header.preApply,
                    postApply: record.position.postApply,
                    storedMilliseconds: status.modifiedNanoseconds / 1_000_000,
                    content: nil
                ),
                synced: false
            )
        } catch {
            throw .file(FileError("rename", log.temporaryPath(of: name), error))
        }
        table = content
        self.position = record.position
        timestamp = record.header.timestampMilliseconds
        return true
    }

    /// The number of frames of this log with which a transaction file was captured; 0 when it was made before the log began; nil
    /// when that cannot be told.
    private func capturedFrames(of header: LTXHeader, in content: LogContent) -> Int? {
        guard header.walSize > 0 else { return 0 }
        var before = 0
        for part in [content.older, content.newest] {
            guard let log = part.header, header.walSalt1 == log.salt1, header.walSalt2 == log.salt2 else {
                before += part.frames.count
                continue
            }
            let end = header.walOffset + header.walSize
            let frames = UInt32(
                clamping: (end - Int64(WALHeader.size)) / Int64(WALFrames.frameSize(log.pageSize))
            )
            return frames == 0 || part.commits.contains(frames) ? before + Int(frames) : nil
        }
        return 0
    }

    /// The table as it was after the first `captured` frames: pages of later frames have their older versions.
    private func baseTable(
        _ final: PageChecksumTable,
        _ content: LogContent,
        capturedThrough captured: Int
    ) -> PageChecksumTable {
        guard let pageSize = final.pageSize else { return final }
        let filePages = pagesOfFile(pageSize)
        var table = final
        let reader = LogicalReader(
            files: files,
            frames: content.frames.prefix(captured),
            pageSize: pageSize
        )
        let pageCount =
            captured > 0
            ? commitSize(at: content.frames.place(ofFrame: captured), pageSize) ?? filePages : filePages
        guard (try? checkSize(pageCount, pageSize)) != nil else { return final }
        let buffer = Buffer(count: pageSize.bytes)
        let before = table.pageCount
        table.resize(to: pageCount)
        var pages = Set(content.frames.pages(after: captured))
        if pageCount > before { pages.formUnion(before + 1...pageCount) }
        for number in pages where number <= pageCount && PageNumber(number) != pageSize.lockPage {
            reader.read(PageNumber(number), into: buffer.bytes)
            table.set(
                PageNumber(number),
                PageChecksum.compute(PageNumber(number), UnsafeRawBufferPointer(buffer.bytes))
            )
        }
        return table
    }

    func commitSize(at place: FramePlace, _ pageSize: PageSize) -> UInt32? {
        withUnsafeTemporaryAllocation(byteCount: WALFrameHeader.size, alignment: 8) { bytes in
            guard
                files[place.file]?
                    .lenientRead(bytes, WALFrames.offset(ofFrame: place.frame, pageSize: pageSize))
                    == bytes.count,
                let header = try? WALFrameHeader(UnsafeRawBufferPointer(bytes))
            else { return nil }
            return header.commitSize
        }
    }

    /// Takes over the log and captures what it holds beyond the first `captured` frames, with the TXIDs that follow the position.
    ///
    /// - Parameters:
    ///   - content: what it holds.
    ///   - captured: how many frames of it are captured.
    /// - Throws: `StoreError`.
    func followLog(_ content: LogContent, capturedThrough captured: Int) throws(StoreError) {
        guard files.wal != nil || files.wal2 != nil else { return }
        // Where programs write to it, what lies behind `content` is for later: it need not be published (T5).
        takeOver(content, captured: captured, isGrowing: context.options.logsPass)
        walPages.formUnion(PageSet(logs.frames.pages))
        log.removeTemporaries()
        for part in [content.file.other, content.file] {
            guard let file = files[part] else { continue }
            while let commit = logs[part].nextCommit(after: nil, read: file.lenientRead) {
                do throws(Errno) {
                    try capture(commit, file)
                } catch {
                    // It stands in the log, and cannot be stored now.
                    for page in commit.pages { suspect.insert(page.number) }
                    requestReconcile()
                }
            }
        }
        checkVersions()
    }

    /// What the log holds, by the chains of checksums alone.
    func logContent() throws(Errno) -> LogContent {
        let files = files
        return try LogContent { log, buffer, offset throws(Errno) in
            try files[log]?.descriptor.read(into: buffer, at: offset) ?? 0
        }
    }

    /// Has the capture go on with a log of which the first `captured` frames count as captured.
    func takeOver(_ content: LogContent, captured: Int, isGrowing: Bool = false) {
        let files = files
        logs.resume(
            content,
            captured: captured,
            fileSize: { log in
                let size = (try? files[log]?.size()) ?? 0
                guard isGrowing, let pageSize = content[log].header?.pageSize else { return size }
                let frames = UInt32(content[log].frames.count)
                return min(size, WALFrames.offset(ofFrame: frames + 1, pageSize: pageSize))
            },
            read: { log in { files[log]?.lenientRead($0, $1) ?? 0 } }
        )
    }

    // MARK: - Replica

    private func recoverReplica() throws(StoreError) {
        if hasHotJournal {
            let isWhole = restoreFromJournal()
            try setJournalAside(isRolledBack: isWhole)
            // Half of a transaction is nothing that anybody may read.
            replica.isTorn = !isWhole
        }
        let content = try readLog()
        guard (try? files.database?.size()) != nil,
            let pageSize = content.header?.pageSize ?? currentPageSize()
        else {
            context.logger.warning(
                "database \"\(name)\": \(path(.database)) has no sound header; fetching it from the primary"
            )
            files = DatabaseFiles()
            return
        }
        let pageCount = content.pageCount > 0 ? content.pageCount : pagesOfFile(pageSize)
        do throws(StoreError) {
            try checkSize(pageCount, pageSize)
        } catch {
            context.logger.warning("\(error); fetching it from the primary")
            files = DatabaseFiles()
            return
        }
        let reader = LogicalReader(files: files, frames: content.frames, pageSize: pageSize)
        table = reader.table(pageCount: pageCount)
        noteVersionBytes(ofTable: reader)
        if !findPosition(reader, pageSize) {
            replica.needsResync = true
            context.logger.warning(
                "database \"\(name)\": content has no known position after an unclean stop; comparing it with the primary's"
            )
        }
        try prepareReplica(content)
    }

    /// Notes the bytes 18 and 19 with which the checksum of page 1 in the table was computed.
    ///
    /// Invariant: page 1 with `versionBytes` has the checksum that the table says. A transaction from the primary that leaves
    /// page 1 alone does not tell them.
    func noteVersionBytes(ofTable reader: LogicalReader) { versionBytes = reader.versionBytes }

    /// Looks the content's checksum up among the transaction files.
    ///
    /// The bytes 18 and 19 that the primary has are unknown: each possible pair is tried.
    private func findPosition(_ reader: LogicalReader, _ pageSize: PageSize) -> Bool {
        let buffer = Buffer(count: pageSize.bytes)
        reader.read(.first, into: buffer.bytes)
        let files = log.files
        var posts: [Checksum: LTXFileName] = [:]
        for file in files.suffix(4096) {
            if let post = TransactionLog.postApply(of: log.path(of: file.name)) { posts[post] = file.name }
        }
        for mode in [JournalMode.rollback, .wal, .wal2] {
            buffer.bytes[DatabaseHeader.writeVersionOffset] = mode.versionByte
            buffer.bytes[DatabaseHeader.readVersionOffset] = mode.versionByte
            var candidate = table
            candidate.set(.first, PageChecksum.compute(.first, UnsafeRawBufferPointer(buffer.bytes)))
            guard let name = posts[candidate.databaseChecksum], readRecord(name) != nil else { continue }
            table = candidate
            versionBytes = (mode.versionByte, mode.versionByte)
            position = Position(txid: name.maxTXID, postApply: candidate.databaseChecksum)
            // The content lacks them; where no primary has more, they may be all that there is of them.
            let ahead = files.filter { $0.name.maxTXID > name.maxTXID }
            if !context.options.roleMayChange || (try? setAside(ahead)) != nil {
                for file in ahead { try? log.remove(file.name) }
            }
            return true
        }
        return false
    }

    /// Makes the files what a replica's readers need: page 1 says WAL or wal2, the log exists, the wal-index is built.
    ///
    /// A log that holds something says which of both; a daemon that died while it changed the mode leaves a header that says the other.
    private func prepareReplica(_ content: LogContent) throws(StoreError) {
        guard let file = files.database else { return }
        let index: BackingFile
        let isWAL2 =
            content.frameCount > 0
            ? content.header?.version == .wal2 : databaseHeader()?.readVersion == JournalMode.wal2.versionByte
        let mode: JournalMode = isWAL2 ? .wal2 : .wal
        do throws(Errno) {
            let version = mode.versionByte
            if let header = databaseHeader(), header.writeVersion != version || header.readVersion != version
            {
                isOpenWithJournal =
                    context.options.isTakeover && header.readVersion == JournalMode.rollback.versionByte
                try FaultPoint.recoveryHeaderWrite.pass()
                try file.descriptor.write([version, version], at: Int64(DatabaseHeader.writeVersionOffset))
            }
            if files.journal != nil {
                try Files.unlink(path(.journal), ifExists: true)
                files.journal = nil
            }
            if files.wal == nil { files.wal = try BackingFile.open(path(.wal)) }
            if isWAL2 {
                if files.wal2 == nil { files.wal2 = try BackingFile.open(path(.wal2)) }
            } else {
                try Files.unlink(path(.wal2), ifExists: true)
                files.wal2 = nil
            }
            if context.options.isTakeover, files.shm != nil {
                // Readers have it mapped; `adoptIndex` goes on with it.
                replica.overlay = content.frames
                return
            }
            index = try BackingFile.open(path(.shm))
            try FaultPoint.recoveryIndexWrite.pass()
        } catch {
            throw .file(FileError("prepare", directory, error))
        }
        do throws(ApplyError) {
            try mode.writeIndex(for: content, to: index.descriptor)
        } catch {
            throw .fault(database: name.text, reason: error.description)
        }
        files.shm = index
        replica.overlay = content.frames
    }

    /// Puts back the pages that an unfinished transaction wrote, as SQLite would.
    ///
    /// Invariant: only if that leads to the state of the newest record, by its checksum. A program that is in the middle of it finds the journal
    /// gone, and cannot end it.
    ///
    /// - Returns: whether the file has that state now.
    private func restoreFromJournal() -> Bool {
        guard let file = files.database, let newest = log.newestPosition?.postApply,
            let (originals, _) = originals(of: newest)
        else { return false }
        let buffer = Buffer(count: originals.pageSize.bytes)
        do throws(Errno) {
            for page in originals.offsets.keys where page <= originals.pageCount {
                guard originals.read(PageNumber(page), into: buffer.bytes) else { return false }
                try file.descriptor.write(
                    UnsafeRawBufferPointer(buffer.bytes),
                    at: Int64(page - 1) * Int64(originals.pageSize.rawValue)
                )
            }
            try file.descriptor.truncate(to: Int64(originals.pageCount) * Int64(originals.pageSize.rawValue))
            try file.descriptor.synchronizeData()
        } catch {
            context.logger.warning(
                "database \"\(name)\": an unfinished transaction cannot be rolled back: \(error)"
            )
            return false
        }
        return true
    }

    /// A node that was the primary left a transaction unfinished.
    ///
    /// Its pages are put back, or compared with the primary's like all others; the journal is kept for whoever wants to look at it.
    private func setJournalAside(isRolledBack: Bool) throws(StoreError) {
        let aside = path(.journal) + ".set-aside"
        do throws(Errno) {
            try FaultPoint.recoveryAsideRename.pass()
            try Files.rename(path(.journal), aside)
        } catch {
            throw .file(FileError("set aside", path(.journal), error))
        }
        files.journal = nil
        context.logger.warning(
            "database \"\(name)\": a transaction was left unfinished when this node was the primary; its journal is kept as "
                + "\(aside), \(isRolledBack ? "and it is rolled back" : "the pages are taken from the primary")"
        )
    }
}
