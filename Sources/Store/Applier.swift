import Apply
import Capture
import Faults
import LTX
import Logging
import POSIX
import SQLiteFormat

/// The apply thread of one database on a replica: takes received transactions in order and makes them visible to readers.
///
/// Invariant 6: nothing is visible, and the position does not move, before the post-apply checksum, computed from the table
/// here, equals the received one. Invariant 8: no lock of the database is held while files on the own mount are used.
final class Applier: @unchecked Sendable {
    // SAFETY: `log` and the buffers are used by the thread that opens the files before the apply thread has work, then by
    // that thread alone (and by its mount thread, while it waits for it), then by the one that stops it after it was joined.
    private unowned let database: Database
    private var log: LocalLog?
    /// The files while their log could not be opened: readers go on with what it holds.
    private var held: LocalFiles?
    /// The mode of the log that is to be made, after the one before was left: the database file has everything, and there is no log.
    private var logMode: JournalMode?
    private var thread: Thread?
    /// Why the log could not be copied back the last time.
    private var checkpointFailure: ApplyError?
    private let decoder = LTXDecoder()
    private let page1 = ReplicaPage1()
    /// Page 1 as it is, for a transaction that changes nothing but the size.
    private let carrier = Buffer(count: 65_536)

    /// Frames not copied back that start a checkpoint, as SQLite's own default.
    private static let checkpointFrames: UInt32 = 1000
    private static let retryDelay = Duration.milliseconds(200)
    /// Most pages that a transaction adds to the database without bringing them.
    static let gapBound = 1 << 22
    /// A reader that holds the log back for so long is worth a warning.
    private static let slowReader = Duration.seconds(60)

    init(_ database: Database) {
        self.database = database
        thread = Thread("apply-\(database.name)") { [weak self] in
            guard let self else { return }
            while self.applyNext() {}
        }
    }

    /// Bytes in use in the local log.
    ///
    /// Before the first transaction, or on the apply thread.
    var walBytes: Int64 { log?.walBytes ?? 0 }

    func stop() {
        database.monitor.wakeAll()
        thread?.join()
        closeFiles()
    }

    private func closeFiles() {
        log?.close()
        log = nil
        held?.close()
        held = nil
    }

    // MARK: - Loop

    private enum Work {
        case apply(ReceivedTransaction)
        case checkpoint
        case stop
    }

    private func applyNext() -> Bool {
        let work = database.locked { () -> Work in
            while database.replica.queue.isEmpty {
                if database.isClosing { return .stop }
                let isBehind = database.replica.walBytes > 0
                if isBehind || database.wantedMode != nil {
                    if !database.monitor.wait(until: .now + .seconds(1)), database.replica.queue.isEmpty {
                        return .checkpoint
                    }
                } else {
                    database.monitor.wait()
                }
            }
            if database.isClosing { return .stop }
            database.replica.queue[0].isBeingApplied = true
            return .apply(database.replica.queue[0])
        }
        switch work {
        case .stop:
            return false
        case .checkpoint:
            checkpoint()
            changeMode()
        case .apply(let received):
            attempt(received)
        }
        return true
    }

    private func attempt(_ received: ReceivedTransaction) {
        do throws(StoreError) {
            try apply(received)
            done(received)
            let wasTorn = database.locked {
                defer { (database.fault, database.replica.isTorn) = (nil, false) }
                return database.replica.isTorn
            }
            if wasTorn, !database.isShownOnMount, received.header.commit > 0 { show(true) }
            database.context.transactionsAppeared(in: database)
            if let log, log.run({ $0.framesToCopy >= Self.checkpointFrames }) { checkpoint() }
            changeMode()
        } catch .rejected(_, let reason) {
            log?.run { $0.abandon() }
            try? Files.unlink(received.temporaryPath, ifExists: true)
            done(received)
            database.requestResync(reason: reason)
        } catch {
            // Disk full, or a log that readers hold: nothing is lost, it is tried again.
            log?.run { $0.abandon() }
            database.locked {
                database.fail("cannot apply transaction \(received.header.minTXID), will try again: \(error)")
                received.isBeingApplied = false
                if !database.isClosing { _ = database.monitor.wait(until: .now + Self.retryDelay) }
            }
            checkpoint()
        }
    }

    private func done(_ received: ReceivedTransaction) {
        database.locked {
            if database.replica.queue.first === received {
                database.replica.queue.removeFirst()
                database.replica.queuedBytes = max(0, database.replica.queuedBytes - received.byteCount)
            }
            database.replica.walBytes = log?.walBytes ?? 0
        }
        database.monitor.wakeAll()
    }

    // MARK: - One transaction

    private func apply(_ received: ReceivedTransaction) throws(StoreError) {
        if received.header.commit == 0 {
            try publish(received)
            return drop(received)
        }
        if logMode != nil { try openLogAnew() }
        if log == nil, database.table.pageCount > 0, database.files.database != nil {
            // The files are there and could not be opened before: what readers have is kept.
            try openFiles()
            if !database.isShownOnMount { show(true) }
            let present = database.position
            if present.txid == received.header.maxTXID, present.postApply == received.postApply { return }
        }
        if log == nil || isNewPageSize(received) {
            try install(received)
        } else {
            try append(received)
        }
    }

    /// Adds the pages to the local log.
    private func append(_ received: ReceivedTransaction) throws(StoreError) {
        guard let log else { return }
        let header = received.header
        let mode = log.mode
        // The table is changed by this thread only, so it may be read here, and while this thread waits, without the lock.
        var draft = TableDraft(
            database.table,
            pageSize: header.pageSize,
            isRebuilt: database.table.pageSize != header.pageSize
        )
        var appended: [UInt32] = []
        var versionBytes = database.versionBytes
        var firstPage: UnsafeRawBufferPointer?
        if header.commit != database.table.pageCount {
            // A change of size alone needs a page to carry it.
            var wanted = PageSet()
            wanted.insert(.first)
            let reader = database.locked {
                LogicalReader(
                    files: database.files,
                    frames: database.replica.overlay,
                    pageSize: header.pageSize,
                    only: wanted
                )
            }
            let page = UnsafeMutableRawBufferPointer(rebasing: carrier.bytes[..<header.pageSize.bytes])
            reader.read(.first, into: page)
            firstPage = UnsafeRawBufferPointer(page)
        }
        try log.run { (wal) throws(StoreError) in
            try mapped { () throws(ApplyError) in try wal.begin(pageSize: header.pageSize) }
            try decode(received) { page, data throws(StoreError) in
                let checksum = PageChecksum.compute(page, data)
                guard draft.change(page, to: checksum, in: database.table) else { return }
                if page == .first {
                    versionBytes = DatabaseHeader.versionBytes(ofPage1: data)
                }
                let local = page1.localPage(page, data, mode)
                try mapped { () throws(ApplyError) in try wal.append(page, local) }
                appended.append(page.rawValue)
            }
            try checkGaps(draft.missingPages(below: header.commit, in: database.table), received)
            draft.resize(to: header.commit, in: database.table)
            try verify(draft.databaseChecksum, received)
            if appended.isEmpty, let firstPage {
                try mapped { () throws(ApplyError) in try wal.append(.first, firstPage) }
                appended.append(1)
            }
            try publish(received)
            if appended.isEmpty {
                wal.abandon()
            } else {
                try mapped { () throws(ApplyError) in try wal.commit(pageCount: header.commit) }
            }
        }
        database.locked {
            draft.apply(to: &database.table)
            database.replica.overlay.append(contentsOf: appended)
            database.replica.walBytes = log.walBytes
            database.versionBytes = versionBytes
            moved(to: received)
        }
    }

    /// Whether pages change their size, which a log of two files cannot hold; such a transaction has all pages.
    private func isNewPageSize(_ received: ReceivedTransaction) -> Bool {
        log?.mode == .wal2 && received.header.pageSize != database.table.pageSize
    }

    /// The first content of a database, in a new file, which becomes visible when it is whole.
    private func install(_ received: ReceivedTransaction) throws(StoreError) {
        let header = received.header
        if log == nil {
            closeFiles()
            try removeFiles()
        }
        let partial = try wholeContent(of: received)
        let missing =
            partial.table.checksums.count { $0 == 0 } + Int(header.commit) - partial.table.checksums.count
        try checkGaps(missing, received)
        partial.resize(to: header.commit)
        try verify(partial.table.databaseChecksum, received)
        let (file, temporary) = (partial.file, partial.path)
        try mappedFile("write", temporary) { () throws(Errno) in
            let size = Int64(header.commit) * Int64(header.pageSize.rawValue)
            try file.descriptor.truncate(to: size, passing: .installTruncate)
            try file.descriptor.synchronizeData(passing: .installSync)
        }
        if log != nil {
            closeFiles()
            try removeFiles()
        }
        let logFiles = try makeLog(partial.mode)
        try publish(received)
        do throws(Errno) {
            try FaultPoint.installRename.pass()
            try Files.rename(temporary, database.path(.database))
        } catch .noEntry {
            throw .rejected(database: database.name.text, reason: "\(temporary) is gone")
        } catch {
            throw .file(FileError("rename", temporary, error))
        }
        // From here on it is the database. Without the sync it would have to be fetched once more after a power failure.
        defer { try? Files.synchronizeDirectory(database.directory) }
        database.locked {
            database.files = logFiles
            database.files.database = file
            database.table = partial.table
            database.versionBytes = partial.versionBytes
            database.replica.overlay = LogFrames()
            moved(to: received)
        }
        try openFiles()
        try? FaultPoint.installed.pass()
        show(true)
    }

    /// Makes the files of an empty log, new ones, which nobody has open.
    private func makeLog(_ mode: JournalMode) throws(StoreError) -> DatabaseFiles {
        var files = DatabaseFiles()
        for kind in [DatabaseFileKind.wal, .wal2, .shm] where kind != .wal2 || mode == .wal2 {
            files[kind] = try mappedFile("create", database.path(kind)) { () throws(Errno) in
                try Files.unlink(database.path(kind), ifExists: true)
                return try BackingFile.open(database.path(kind))
            }
        }
        try mappedFile("write", database.path(.shm)) { () throws(Errno) in
            try FaultPoint.installIndexWrite.pass()
        }
        if let index = files.shm {
            try mapped { () throws(ApplyError) in
                try mode.writeIndex(for: .empty, to: index.descriptor)
            }
        }
        return files
    }

    // MARK: - The journal mode

    /// Takes over the primary's change from WAL to wal2 or back, once nobody has the database open.
    ///
    /// Until then readers find the mode of before, with the same content: nothing waits for them. Invariant: the header says the other mode only
    /// when the database file has everything, and the logs of the mode before are gone before those of the new one hold anything.
    private func changeMode() {
        do {
            if logMode == nil {
                guard let mode = database.wantedMode, let log,
                    try mapped({ () throws(ApplyError) in try log.leave(for: mode) })
                else { return }
                logMode = mode
            }
            try openLogAnew()
        } catch {
            // Nobody is kept out meanwhile; the database file has everything.
            if logMode != nil { closeFiles() }
            database.context.logger.warning(
                "database \"\(database.name)\": its journal mode cannot be changed to the primary's now: \(error)"
            )
        }
    }

    /// Goes on with an empty log of the mode `logMode`, after the one of another mode was left.
    private func openLogAnew() throws(StoreError) {
        guard let mode = logMode, let mount = database.context.mount else { return }
        let files = try makeLog(mode)
        if mode == .wal { try? Files.unlink(database.path(.wal2), ifExists: true) }
        database.locked {
            database.preserveLogForSnapshots()
            let file = database.files.database
            database.files = files
            database.files.database = file
            database.replica.overlay = LogFrames()
            database.replica.walBytes = 0
        }
        // The kernel forgets which files had these names.
        show(true)
        if let log {
            held = try mapped { () throws(ApplyError) in
                try log.holdSuccessors(database.name, isWAL2: mode == .wal2, mount: mount)
            }
            self.log = nil
        }
        logMode = nil
        try openFiles()
        database.context.logger.info(
            "database \"\(database.name)\": readers find journal mode \(mode.name) now, as on the primary"
        )
    }

    /// The content that came, or what its transaction file holds if something was in the way when it was received.
    private func wholeContent(of received: ReceivedTransaction) throws(StoreError) -> PartialContent {
        if let partial = received.partial { return partial }
        let partial = try database.makePartial(received.header.pageSize)
        try decode(received) { page, data throws(StoreError) in try partial.add(page, data) }
        try partial.flush()
        return partial
    }

    /// The primary dropped the database.
    ///
    /// Programs that have it open keep what they read, as with any removed file.
    private func drop(_ received: ReceivedTransaction) {
        closeFiles()
        try? removeFiles()
        database.locked {
            database.table = PageChecksumTable()
            database.replica.overlay = LogFrames()
            database.replica.walBytes = 0
            moved(to: received)
        }
        show(false)
    }

    private func removeFiles() throws(StoreError) {
        logMode = nil
        database.locked { database.keepFilesInUse() }
        for kind in DatabaseFileKind.allCases {
            let path = database.path(kind)
            try mappedFile("remove", path) { () throws(Errno) in
                try FaultPoint.installUnlink.pass()
                try Files.unlink(path, ifExists: true)
            }
        }
        database.locked { database.files = DatabaseFiles() }
    }

    private func show(_ isShown: Bool) {
        database.locked { database.isShown = isShown }
        database.context.visibilityChanged(of: database)
    }

    /// Moves the position.
    ///
    /// Call with the lock held.
    private func moved(to received: ReceivedTransaction) {
        database.position = Position(txid: received.header.maxTXID, postApply: received.postApply)
        database.timestamp = received.header.timestampMilliseconds
        database.counters.commits.increment()
    }

    /// Data read from the wire never takes memory that it did not pay for (invariant 9): the table grows by the pages that
    /// come, and a bounded number of others, which SQLite allocated and freed again before they were ever written.
    private func checkGaps(_ missing: Int, _ received: ReceivedTransaction) throws(StoreError) {
        guard missing > Self.gapBound else { return }
        throw .rejected(
            database: database.name.text,
            reason: "transaction \(received.header.maxTXID) adds \(missing) pages without their content"
        )
    }

    private func verify(_ checksum: Checksum, _ received: ReceivedTransaction) throws(StoreError) {
        guard checksum == received.postApply else {
            throw .rejected(
                database: database.name.text,
                reason:
                    "checksum after transaction \(received.header.maxTXID) would be \(checksum), "
                    + "the primary says \(received.postApply)"
            )
        }
    }

    /// Gives the transaction's file its final name.
    ///
    /// Once.
    private func publish(_ received: ReceivedTransaction) throws(StoreError) {
        guard let name = received.header.fileName else { return }
        if !received.isPublished {
            if received.replacesAll {
                try mappedFile("set aside", database.log.directory) { () throws(Errno) in
                    try database.setDivergedAside()
                }
            }
            try rename(received, to: name)
        }
        if received.replacesAll, !received.hasReplaced {
            try mappedFile("remove", database.log.directory) { () throws(Errno) in
                try FaultPoint.receivedUnlink.pass()
                try database.log.removeAll(except: name)
            }
            received.hasReplaced = true
        }
    }

    private func rename(_ received: ReceivedTransaction, to name: LTXFileName) throws(StoreError) {
        let path = database.log.path(of: name)
        try mappedFile("rename", received.temporaryPath) { () throws(Errno) in
            try FaultPoint.receivedRename.pass()
            try Files.rename(received.temporaryPath, path)
        }
        received.isPublished = true
        // A difference at a transaction that the database has with another content.
        database.log.forget(name)
        database.log.append(
            LTXFile(
                name: name,
                byteCount: received.byteCount,
                preApply: received.header.preApply,
                postApply: received.postApply,
                storedMilliseconds: WallClock.milliseconds,
                content: nil
            ),
            synced: false
        )
        if received.replacesAll {
            database.context.logger.info(
                "\(received.isDifference ? "difference" : "snapshot") received for \"\(database.name)\", removing other ltx files: \(name)"
            )
        }
    }

    private func decode(
        _ received: ReceivedTransaction,
        _ body: (PageNumber, UnsafeRawBufferPointer) throws(StoreError) -> Void
    ) throws(StoreError) {
        func handler(_ event: LTXEvent) throws {
            if case .page(let page, let data) = event { try body(page, data) }
        }
        do {
            if let content = received.content {
                try content.withUnsafeBytes { try decoder.decode(allOf: $0, handler) }
                return
            }
            let path =
                received.isPublished
                ? received.header.fileName.map { database.log.path(of: $0) } ?? received.temporaryPath
                : received.temporaryPath
            let file = try FileDescriptor.open(path, .readOnly)
            let buffer = Buffer(count: 1 << 20)
            decoder.begin()
            var offset: Int64 = 0
            while true {
                let count = try file.read(into: buffer.bytes, at: offset)
                if count == 0 { break }
                try decoder.feed(UnsafeRawBufferPointer(rebasing: buffer.bytes[..<count]), handler)
                offset += Int64(count)
            }
            try decoder.finish()
        } catch let error as StoreError {
            throw error
        } catch let error as Errno {
            throw .file(FileError("read", received.temporaryPath, error))
        } catch {
            throw .rejected(database: database.name.text, reason: "damaged transaction: \(error)")
        }
    }

    // MARK: - The local log

    /// Opens the files through the own mount and takes the locks that keep readers from checkpointing.
    ///
    /// The locks stay when the log cannot be read.
    func openFiles() throws(StoreError) {
        guard let mount = database.context.mount else {
            throw .fault(database: database.name.text, reason: "there is no mount")
        }
        guard database.file(.wal) != nil, let pageSize = database.table.pageSize else { return }
        // Only a database in wal2 mode has a second file.
        let mode: JournalMode = database.file(.wal2) == nil ? .wal : .wal2
        let files = try holdFiles(mount, mode)
        let content: LogContent
        do throws(Errno) {
            try FaultPoint.applyOpen.pass()
            content = try database.logContent()
        } catch {
            throw .file(FileError("read", database.path(.wal), error))
        }
        log = try mapped { () throws(ApplyError) in
            try LocalLog(files, mode: mode, content: content, pageSize: pageSize)
        }
        database.locked { database.replica.mode = mode }
        held = nil
    }

    private func holdFiles(_ mount: Int32, _ mode: JournalMode) throws(StoreError) -> LocalFiles {
        if let held { return held }
        let files = try mapped { () throws(ApplyError) in
            try LocalFiles(
                database.name,
                isWAL2: mode == .wal2,
                mount: mount,
                ownThreads: database.context.ownThreads
            )
        }
        held = files
        return files
    }

    private func checkpoint() {
        guard let log, log.run({ $0.framesToCopy > 0 }) else { return }
        do throws(ApplyError) {
            if let part = log.unsynchronized, let file = database.file(DatabaseFileKind(part)) {
                try log.rewrite(file)
            }
            let result = try log.run { (wal) throws(ApplyError) in try wal.checkpoint() }
            if checkpointFailure != nil {
                database.context.logger.info(
                    "database \"\(database.name)\": the log can be copied back again"
                )
            }
            checkpointFailure = nil
            note(result.isComplete ? nil : result.obstacle?.description, log)
        } catch {
            if checkpointFailure != error {
                database.context.logger.error(
                    "database \"\(database.name)\": the log cannot be copied back, will try again: \(error)"
                )
            }
            checkpointFailure = error
            note("\(error)", log)
        }
    }

    /// Warns, once, about a reader that keeps the log from being copied back.
    private func note(_ obstacle: String?, _ log: LocalLog) {
        database.locked {
            guard let obstacle else {
                database.replica.obstacleSince = nil
                database.replica.obstacle = nil
                return
            }
            let since = database.replica.obstacleSince ?? .now
            database.replica.obstacleSince = since
            if MonotonicTime.now - since > Self.slowReader, database.replica.obstacle == nil {
                database.replica.obstacle = obstacle
                database.context.logger.warning(
                    "database \"\(database.name)\": the log cannot be copied back since a minute because of \(obstacle); "
                        + "it has \(log.walBytes >> 20) MiB and grows until that ends"
                )
            }
        }
    }

    private func mapped<Result>(_ body: () throws(ApplyError) -> Result) throws(StoreError) -> Result {
        do throws(ApplyError) {
            return try body()
        } catch {
            throw .fault(database: database.name.text, reason: error.description)
        }
    }

    private func mappedFile<Result>(
        _ operation: String,
        _ path: String,
        _ body: () throws(Errno) -> Result
    ) throws(StoreError) -> Result {
        do throws(Errno) {
            return try body()
        } catch {
            throw .file(FileError(operation, path, error))
        }
    }
}
