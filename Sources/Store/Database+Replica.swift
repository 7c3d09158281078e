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
    /// The committed frames of the local log.
    var overlay = LogFrames()
    /// The journal mode that readers find, once the log is open.
    var mode = JournalMode.wal
    /// Bytes in use in the local log.
    var walBytes: Int64 = 0
    /// Received transactions that wait for the apply thread, oldest first.
    var queue: [ReceivedTransaction] = []
    var queuedBytes = 0
    /// Position after everything in the queue.
    var expected = Position.zero
    /// The database must be compared with the primary's as a whole: its position is not to be trusted.
    var needsResync = false
    /// The content is none that anybody ever committed: it is not shown before the primary's came.
    var isTorn = false
    /// What came of snapshots that broke off, while there is no content.
    var partial: PartialContent?
    /// Nothing more is received: the node stops.
    var isRefusing = false
    var applier: Applier?
    /// The newest position of the log that the primary knows, too, as of the last comparison.
    var common: Position?
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
        locked {
            let deadline = MonotonicTime.now + Self.comparisonWait
            while !replica.queue.isEmpty, !isClosing, !replica.isRefusing, monitor.wait(until: deadline) {}
            guard replica.queue.isEmpty, !isClosing else { return nil }
            if let partial = replica.partial {
                return ComparableContent(pageSize: partial.pageSize, checksums: partial.table.checksums)
            }
            guard let pageSize = table.pageSize, table.pageCount > 0, files.database != nil else {
                return nil
            }
            return ComparableContent(pageSize: pageSize, checksums: table.checksums)
        }
    }

    /// What stands between `database` and a random word in the names of files with partial content.
    static let partialInfix = ".part-"

    private static let comparisonWait = Duration.seconds(10)

    // MARK: - The first content

    /// Where the pages of a transaction go that brings the first content, or makes whole what came of it; nil for any other one.
    ///
    /// It is the caller's until he keeps or queues it.
    func takePartial(for header: LTXHeader, isDifference: Bool) throws(StoreError) -> PartialContent? {
        let (isWanted, present) = locked { () -> (Bool, PartialContent?) in
            guard files.database == nil, table.pageCount == 0, replica.queue.isEmpty, header.commit > 0 else {
                return (false, nil)
            }
            defer { replica.partial = nil }
            return (true, replica.partial)
        }
        guard isWanted else { return nil }
        if isDifference || present?.pageSize == header.pageSize { return present }
        return try makePartial(header.pageSize)
    }

    /// Keeps what came of a transaction that broke off.
    func keep(_ partial: PartialContent) {
        guard partial.byteCount >= PartialContent.leastByteCount else { return }
        let isKept = locked {
            guard files.database == nil, table.pageCount == 0, replica.queue.isEmpty, !isClosing,
                !replica.isRefusing
            else { return false }
            replica.partial = partial
            return true
        }
        if isKept {
            context.logger.info(
                "database \"\(name)\": a snapshot broke off; going on with the \(partial.table.pageCount) pages that came so far"
            )
        }
    }

    /// Makes an empty content.
    ///
    /// Each has a file of its own: an earlier one may take its file away later.
    func makePartial(_ pageSize: PageSize) throws(StoreError) -> PartialContent {
        let path = path(.database) + Self.partialInfix + String(UInt64.random(in: 0 ... .max), radix: 36)
        do throws(Errno) {
            return try PartialContent(of: name, in: path, pageSize: pageSize)
        } catch {
            throw .file(FileError("create", path, error))
        }
    }

    /// Own writes to the log, by the apply thread through the mount.
    func writeReplicaWAL(
        _ log: WALFile,
        _ file: BackingFile,
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64
    ) throws(Errno) {
        if offset < Int64(WALHeader.size) {
            // The file begins anew: every frame that it had is in the database file.
            preserveLogForSnapshots()
            replica.overlay.end(log)
            replica.overlay.goOn(in: log)
        } else if let pageSize = table.pageSize,
            let place = WALFrames.frame(atOffset: offset, pageSize: pageSize),
            Int(place.frame) <= replica.overlay[log].count
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
                !received.isDifference || received.partial != nil
                    || replica.queue.isEmpty && table.databaseChecksum == received.header.preApply
            else {
                throw .rejected(database: name.text, reason: "the database changed while it was compared")
            }
            while replica.queuedBytes > Self.applyQueueBound, !isClosing, !replica.isRefusing {
                monitor.wait()
            }
            if isClosing || replica.isRefusing { throw .closing }
            if received.replacesAll || received.header.commit == 0 { replica.partial = nil }
            replica.queue.append(received)
            replica.queuedBytes += received.byteCount
            replica.expected = Position(txid: received.header.maxTXID, postApply: received.postApply)
            if received.replacesAll { replica.needsResync = false }
            if replica.applier == nil { replica.applier = Applier(self) }
        }
        monitor.wakeAll()
    }

    /// The journal mode that readers should find, if that is another one than they do.
    ///
    /// The primary's, of which a rollback journal says nothing: it passes through that from one log to the other. Call with `monitor` held,
    /// or on the apply thread.
    var wantedMode: JournalMode? {
        guard files.database != nil, let mode = JournalMode(readVersion: versionBytes.read),
            mode != .rollback,
            mode != replica.mode
        else { return nil }
        return mode
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
    // SAFETY: immutable but for three flags; `isBeingApplied` is guarded by the database's monitor, `isPublished` and
    // `hasReplaced` belong to the apply thread, as does `partial` from when it is queued.
    let header: LTXHeader
    let postApply: Checksum
    /// The whole file, when it is small; else it is read from `temporaryPath`.
    let content: [UInt8]?
    let temporaryPath: String
    let byteCount: Int
    var isBeingApplied = false
    var isPublished = false
    /// The whole content, when it is the first.
    let partial: PartialContent?
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
        partial: PartialContent? = nil,
        isDifference: Bool = false
    ) {
        self.partial = partial
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
    /// Where the pages go, too, when they are the first content.
    private var partial: PartialContent?

    /// Checksum of the content that a difference is for; nil for any other transaction.
    private let base: Checksum?

    init(_ database: Database, base: Checksum? = nil) {
        self.database = database
        self.base = base
        temporaryPath = database.log.directory + "/incoming-\(UInt64.random(in: 0 ..< .max)).tmp"
        decoder.begin()
    }

    deinit {
        guard !isHandedOver else { return }
        if file != nil { try? Files.unlink(temporaryPath, ifExists: true) }
        if isSound, let partial, (try? partial.flush()) != nil { database.keep(partial) }
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
                    if isWanted, base != nil || header.isSnapshot {
                        partial = try database.takePartial(for: header, isDifference: base != nil)
                    }
                case .page(let page, let data):
                    if let partial { try noting { () throws(StoreError) in try partial.add(page, data) } }
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
        if let partial { try noting(partial.flush) }
        file = nil
        isHandedOver = true
        try database.enqueue(
            ReceivedTransaction(
                header: header,
                postApply: trailer.postApply,
                content: content,
                temporaryPath: temporaryPath,
                byteCount: Int(stored),
                partial: partial,
                isDifference: base != nil
            )
        )
    }

    private func spill() throws(StoreError) {
        try noting { () throws(StoreError) in
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
                throw .file(FileError("write", temporaryPath, error))
            }
        }
        stored += Int64(buffered.count)
        buffered.removeAll(keepingCapacity: true)
    }

    /// Does something with files, and tells for the database when one cannot be written.
    private func noting(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        do throws(StoreError) {
            try body()
        } catch {
            if case .file(let failure) = error {
                database.locked { database.fail("cannot receive transactions, will try again: \(failure)") }
            }
            throw error
        }
    }
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
