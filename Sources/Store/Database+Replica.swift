import Apply
import Capture
import Faults
import LTX
import Logging
import POSIX
import SQLiteFormat

/// What only a replica's database has.
///
/// Guarded by the database's `monitor`.
struct ReplicaState {
    /// Page of each committed frame of the local log; frame 1 at index 0.
    ///
    /// Empty after it restarted.
    var overlay: [UInt32] = []
    /// Bytes in use in the local log.
    var walBytes: Int64 = 0
    /// Received transactions that wait for the apply thread, oldest first.
    var queue: [ReceivedTransaction] = []
    var queuedBytes = 0
    /// Position after everything in the queue.
    var expected = Position.zero
    /// The database must be compared with the primary's as a whole: its position is not to be trusted.
    var needsResync = false
    /// What came of snapshots that broke off, while there is no content.
    var partial: PartialContent?
    /// Transaction files that broke off, oldest first, whose pages are not in `partial` yet.
    var unfinished: [UnfinishedTransaction] = []
    /// Nothing more is received: the node stops.
    var isRefusing = false
    var applier: Applier?
    /// What keeps the log from being copied back, and since when.
    var obstacle: String?
    var obstacleSince: MonotonicTime?
}

// A replica's database: transactions come from the primary and are applied by `Applier`.
extension Database {
    /// Most bytes of received transactions that wait to be applied.
    static let applyQueueBound = 64 << 20

    /// Where to continue from when asking the primary; nil to ask for everything.
    public var positionForStream: Position? {
        locked { replica.needsResync || replica.expected.txid == .zero ? nil : replica.expected }
    }

    /// Distrusts the position: the next stream sends the whole database, and what differs is applied.
    public func requestResync(reason: String) {
        locked {
            replica.needsResync = true
            replica.queue.removeAll { !$0.isBeingApplied }
            replica.queuedBytes = 0
            replica.expected = position
            context.logger.warning(
                "database \"\(name)\": \(reason); fetching it again from the primary, keeping what is equal"
            )
        }
    }

    /// Receives nothing more; who waits to hand over a transaction stops waiting.
    func refuseReceiving() {
        locked { replica.isRefusing = true }
        monitor.wakeAll()
    }

    /// Begins to receive a transaction from the primary.
    public func beginReceiving() -> IncomingTransaction { IncomingTransaction(self) }

    /// Begins to receive the pages that differ between the content with this database checksum and the primary's.
    public func beginReceiving(differenceFrom base: Checksum) -> IncomingTransaction {
        IncomingTransaction(self, base: base)
    }

    /// What the database consists of, after everything that was received is applied; nil without content, and while that does not
    /// happen in `comparisonWait`.
    public func comparableContent() -> ComparableContent? {
        let (content, unfinished) = locked { () -> (ComparableContent?, [UnfinishedTransaction]) in
            let deadline = MonotonicTime.now + Self.comparisonWait
            while !replica.queue.isEmpty, !isClosing, !replica.isRefusing, monitor.wait(until: deadline) {}
            guard replica.queue.isEmpty, !isClosing else { return (nil, []) }
            if let pageSize = table.pageSize, table.pageCount > 0, files.database != nil {
                return (ComparableContent(pageSize: pageSize, checksums: table.checksums), [])
            }
            defer { replica.unfinished = [] }
            return (nil, replica.unfinished)
        }
        if let content { return content }
        keepPages(of: unfinished)
        return locked {
            replica.partial.map { ComparableContent(pageSize: $0.pageSize, checksums: $0.table.checksums) }
        }
    }

    private static let comparisonWait = Duration.seconds(10)

    // MARK: - Snapshots that break off

    /// Keeps a transaction file that broke off, if it is of use: there is no content, and it would have brought it.
    ///
    /// - Returns: whether the file is the database's now.
    func keep(_ unfinished: UnfinishedTransaction) -> Bool {
        locked {
            guard files.database == nil, table.pageCount == 0, replica.queue.isEmpty, !isClosing,
                !replica.isRefusing
            else { return false }
            replica.unfinished.append(unfinished)
            return true
        }
    }

    /// Adds the pages of files that broke off to what came before.
    ///
    /// Called by the thread that receives.
    private func keepPages(of unfinished: [UnfinishedTransaction]) {
        guard !unfinished.isEmpty else { return }
        var partial = locked { replica.partial }
        locked { replica.partial = nil }
        do throws(StoreError) {
            for file in unfinished {
                defer { try? Files.unlink(file.path, ifExists: true) }
                if partial?.pageSize != file.pageSize {
                    // Its file goes with it, before the next one gets that name.
                    partial = nil
                    partial = try makePartial(file.pageSize)
                }
                guard let partial else { return }
                let count = try partial.add(pagesOf: file.path)
                context.logger.info(
                    "database \"\(name)\": a snapshot broke off after \(count) pages; going on with the \(partial.table.pageCount) "
                        + "that came so far"
                )
            }
            locked { replica.partial = partial }
        } catch {
            context.logger.warning(
                "database \"\(name)\": what came of a snapshot is given up: \(error)"
            )
        }
    }

    private func makePartial(_ pageSize: PageSize) throws(StoreError) -> PartialContent {
        let path = path(.database) + ".part"
        do throws(Errno) {
            return try PartialContent(path, pageSize: pageSize)
        } catch {
            throw .file(FileError("create", path, error))
        }
    }

    /// Gives up what came of snapshots that broke off.
    ///
    /// Call with the lock held.
    private func dropPartial() {
        replica.partial = nil
        for file in replica.unfinished { try? Files.unlink(file.path, ifExists: true) }
        replica.unfinished = []
    }

    /// Own writes to the log, by the apply thread through the mount.
    func writeReplicaWAL(_ file: BackingFile, _ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(Errno)
    {
        if offset < Int64(WALHeader.size) {
            // The log restarts: every frame is in the database file.
            preserveLogForSnapshots()
            replica.overlay.removeAll(keepingCapacity: true)
        } else if let pageSize = table.pageSize,
            let place = WALFrames.frame(atOffset: offset, pageSize: pageSize),
            Int(place.frame) <= replica.overlay.count
        {
            preserveLogForSnapshots()
        }
        try file.descriptor.write(bytes, at: offset, passing: .walWrite)
    }

    /// Whether a received transaction continues what is here or queued.
    ///
    /// - Returns: false when its content is here already.
    func accepts(_ header: LTXHeader) throws(StoreError) -> Bool {
        try locked { () throws(StoreError) in
            if isClosing { throw .closing }
            if header.isSnapshot { return true }
            let expected = replica.expected
            if header.maxTXID <= expected.txid { return false }
            // Nothing follows the last possible transaction.
            let next = expected.txid.next
            guard let next, header.minTXID <= next else {
                throw .rejected(
                    database: name.text,
                    reason: "position mismatch on db \"\(name)\": \(expected) <> \(header.preApplyPosition)"
                )
            }
            if header.minTXID == next, expected.txid != .zero, header.preApply != expected.postApply {
                throw .rejected(
                    database: name.text,
                    reason: "position mismatch on db \"\(name)\": \(expected) <> \(header.preApplyPosition)"
                )
            }
            return true
        }
    }

    /// Refuses what is not the difference that was asked for.
    func checkDifference(_ header: LTXHeader, from base: Checksum) throws(StoreError) {
        guard header.preApply == base, !header.isSnapshot, header.commit > 0,
            header.pageSize == locked({ replica.partial?.pageSize ?? table.pageSize })
        else { throw .rejected(database: name.text, reason: "what came is not what differs from \(base)") }
    }

    /// Queues a verified transaction.
    ///
    /// Waits while the queue is over its bound. A difference is queued only while the content is what it was made for.
    func enqueue(_ received: ReceivedTransaction) throws(StoreError) {
        try locked { () throws(StoreError) in
            guard
                !received.isDifference
                    || replica.queue.isEmpty
                        && (replica.partial?.table ?? table).databaseChecksum == received.header.preApply
            else {
                throw .rejected(database: name.text, reason: "the database changed while it was compared")
            }
            while replica.queuedBytes > Self.applyQueueBound, !isClosing, !replica.isRefusing {
                monitor.wait()
            }
            if isClosing || replica.isRefusing { throw .closing }
            if received.isDifference { received.partial = replica.partial }
            if received.replacesAll || received.header.commit == 0 { dropPartial() }
            replica.queue.append(received)
            replica.queuedBytes += received.byteCount
            replica.expected = Position(txid: received.header.maxTXID, postApply: received.postApply)
            if received.replacesAll { replica.needsResync = false }
            if replica.applier == nil { replica.applier = Applier(self) }
        }
        monitor.wakeAll()
    }

    // MARK: - Beginning and end

    /// Takes the locks and opens the files of a database that has content.
    ///
    /// Call before the mount is attached, on a thread that counts as own.
    func startReplica() throws(StoreError) {
        guard locked({ table.pageSize != nil && files.database != nil }) else { return }
        let applier = Applier(self)
        defer {
            locked {
                replica.applier = applier
                replica.walBytes = applier.walBytes
            }
            monitor.wakeAll()
        }
        try applier.openFiles()
    }

    /// Ends the apply thread and closes its files on the mount.
    func stopReplica() {
        let applier = locked { () -> Applier? in
            defer { replica.applier = nil }
            return replica.applier
        }
        applier?.stop()
    }
}

/// A transaction that was received and verified, and waits to be applied.
final class ReceivedTransaction: @unchecked Sendable {
    // SAFETY: immutable but for three flags and `partial`; `isBeingApplied` is guarded by the database's monitor, `isPublished`,
    // `hasReplaced` and, from when it is queued, `partial` belong to the apply thread.
    let header: LTXHeader
    let postApply: Checksum
    /// The whole file, when it is small; else it is read from `temporaryPath`.
    let content: [UInt8]?
    let temporaryPath: String
    let byteCount: Int
    var isBeingApplied = false
    var isPublished = false
    /// The pages that it makes whole, for the apply thread.
    var partial: PartialContent?
    /// Whether the files that it replaces are gone.
    var hasReplaced = false
    /// Whether it leads from the content that was here, whatever its history, to the primary's.
    let isDifference: Bool

    /// Whether it continues nothing in the log, and replaces all of that.
    var replacesAll: Bool { isDifference || header.isSnapshot }

    init(
        header: LTXHeader,
        postApply: Checksum,
        content: [UInt8]?,
        temporaryPath: String,
        byteCount: Int,
        isDifference: Bool = false
    ) {
        self.isDifference = isDifference
        self.header = header
        self.postApply = postApply
        self.content = content
        self.temporaryPath = temporaryPath
        self.byteCount = byteCount
    }
}

/// A transaction on its way in: bytes are verified as they come and stored under a temporary name.
///
/// One thread.
public final class IncomingTransaction {
    /// Transactions up to this size are kept in memory until they are applied.
    private static let contentBound = 1 << 20

    private let database: Database
    private let decoder = LTXDecoder()
    private var header: LTXHeader?
    private var trailer: LTXTrailer?
    private var isWanted = true
    private var buffered: [UInt8] = []
    private var file: BackingFile?
    private var stored: Int64 = 0
    private let temporaryPath: String
    private var isHandedOver = false
    /// Whether nothing was wrong with what came.
    private var isSound = true

    /// Checksum of the content that a difference is for; nil for any other transaction.
    private let base: Checksum?

    init(_ database: Database, base: Checksum? = nil) {
        self.database = database
        self.base = base
        temporaryPath = database.log.directory + "/incoming-\(UInt64.random(in: 0 ..< .max)).tmp"
        decoder.begin()
    }

    deinit {
        guard !isHandedOver, !keepBeginning(), file != nil else { return }
        try? Files.unlink(temporaryPath, ifExists: true)
    }

    /// Leaves to the database what came of its first content, if that is sound so far.
    private func keepBeginning() -> Bool {
        guard isWanted, isSound, let header, header.isSnapshot || base != nil,
            stored + Int64(buffered.count) >= PartialContent.leastByteCount, (try? spill()) != nil
        else { return false }
        return database.keep(UnfinishedTransaction(path: temporaryPath, pageSize: header.pageSize))
    }

    /// Takes more bytes of the file, cut anywhere.
    ///
    /// - Throws: when they are no sound transaction, or one that does not continue what is here.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(StoreError) {
        do {
            try decoder.feed(bytes) { event in
                switch event {
                case .header(let header):
                    self.header = header
                    isWanted = header.nodeID != database.context.options.nodeID
                    if let base {
                        try database.checkDifference(header, from: base)
                    } else if isWanted {
                        isWanted = try database.accepts(header)
                    }
                case .page:
                    break
                case .trailer(let trailer):
                    self.trailer = trailer
                }
            }
        } catch let error as StoreError {
            isSound = false
            throw error
        } catch {
            isSound = false
            throw .rejected(database: database.name.text, reason: "damaged transaction: \(error)")
        }
        guard isWanted else { return }
        buffered.append(contentsOf: bytes)
        if buffered.count > Self.contentBound { try spill() }
    }

    /// The file is complete: checks it and queues it.
    public func finish() throws(StoreError) {
        do throws(LTXError) {
            try decoder.finish()
        } catch {
            isSound = false
            throw .rejected(database: database.name.text, reason: "damaged transaction: \(error)")
        }
        guard isWanted, let header, let trailer else { return }
        let content = file == nil ? buffered : nil
        try spill()
        file = nil
        isHandedOver = true
        try database.enqueue(
            ReceivedTransaction(
                header: header,
                postApply: trailer.postApply,
                content: content,
                temporaryPath: temporaryPath,
                byteCount: Int(stored),
                isDifference: base != nil
            )
        )
    }

    private func spill() throws(StoreError) {
        do throws(Errno) {
            if file == nil {
                try FaultPoint.receivedCreate.pass()
                file = try BackingFile.open(temporaryPath, [.readWrite, .create, .exclusive])
            }
            let result = buffered.withUnsafeBytes { bytes in
                Result { () throws(Errno) in
                    try file?.descriptor.write(bytes, at: stored, passing: .receivedWrite)
                }
            }
            try result.get()
        } catch {
            let failure = FileError("write", temporaryPath, error)
            database.locked { database.fail("cannot receive transactions, will try again: \(failure)") }
            throw .file(failure)
        }
        stored += Int64(buffered.count)
        buffered.removeAll(keepingCapacity: true)
    }
}

/// The file of a transaction that broke off.
struct UnfinishedTransaction {
    let path: String
    let pageSize: PageSize
}

/// The pages of a replica's database, by their checksums.
public struct ComparableContent: Sendable {
    /// Size of a page.
    public let pageSize: PageSize
    /// Checksums, page 1 at index 0; 0 for the lock page, and where none is known.
    public let checksums: [UInt64]

    /// Joins both.
    public init(pageSize: PageSize, checksums: [UInt64]) {
        self.pageSize = pageSize
        self.checksums = checksums
    }
}
