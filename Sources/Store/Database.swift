import Capture
import LTX
import Logging
import POSIX
import SQLiteFormat
import Synchronization

/// A replicated database: its files, its position, its transaction log.
///
/// The mount hands it every write, truncation and removal; that is how it knows what SQLite commits. Thread-safe.
///
/// What it does is spread over extensions, one for each matter: `+Files` (what the mount asks for), `+WAL`, `+Tail` and `+Journal`
/// (commit points), `+Reconcile`, `+LogWriter`, `+Recovery` (opening), `+Snapshot`, `+Replica`.
public final class Database: @unchecked Sendable {
    // SAFETY: every `var` is read and written only while `monitor` is held, except those marked otherwise.

    /// Its name on the mount.
    public let name: DatabaseName
    /// Its LTX files.
    public let log: TransactionLog

    /// The folder `DATA/dbs/NAME`.
    let directory: String
    let context: StoreContext
    let counters: StoreMetrics.PerDatabase
    /// The one lock of a database, and what its waiters wait on.
    let monitor = Guarded<Void>(())

    /// What look-ups ask for, which do not wait for a transaction that is being stored: `files` and `isShown` as they are.
    let shown = Mutex(Shown())

    struct Shown: Sendable {
        var files = DatabaseFiles()
        var isShown = false
        var position = Position.zero
        var isDoubtful = false
    }

    // MARK: Guarded by `monitor`

    /// Current files; nil where a name does not exist.
    ///
    /// A file that lost its name lives on in the inode that uses it.
    var files = DatabaseFiles() {
        didSet { shown.withLock { $0.files = files } }
    }
    /// Changes to names of its files; those that an earlier process made count as one.
    var nameChanges: UInt64 = 1
    /// How many of them are on disk for certain.
    var namesOnDisk: UInt64 = 0
    /// Checksums of the committed pages (invariant 1).
    ///
    /// On a replica, of the primary's bytes.
    var table = PageChecksumTable()
    /// Last committed transaction; on the primary it may still be in the queue.
    var position = Position.zero {
        didSet { shown.withLock { $0.position = position } }
    }
    /// Time of the last transaction, milliseconds since 1970.
    var timestamp: Int64 = 0
    /// Bytes 18 and 19 of page 1 as the primary has them.
    var versionBytes: (write: UInt8, read: UInt8) = (1, 1)
    /// Whether the mount shows it.
    var isShown = false {
        didSet { shown.withLock { $0.isShown = isShown } }
    }
    /// Why it cannot be written or replicated; nil when all is well.
    var fault: String?
    var isClosing = false

    /// Capture (primary).
    let logs = LogCapture()
    /// Pages that have a committed frame in the log.
    var walPages = PageSet()
    /// Whether the log may go with what is in it: the wal-index was removed, which SQLite does first, or somebody put another file
    /// in the place of the database, in it or under its name.
    var isLogGivenUp = false
    /// Files beside the database that were moved to their names and that no program has opened since.
    var movedIn: [DatabaseFileKind: BackingFile] = [:] {
        didSet { hasMovedIn.store(!movedIn.isEmpty, ordering: .releasing) }
    }
    /// Whether there are such, to be asked without the lock.
    let hasMovedIn = Atomic<Bool>(false)
    /// Page size of a file that no transaction is known of yet, as its first write said.
    var writtenPageSize: PageSize?
    var misuse = MisuseState()
    /// Whether the mount hides a file of this name: a program may have it open and take it for the database.
    var hasHiddenNamesake = false
    /// Pages whose committed content the database file does not have yet; kept only while writes to the log pass by.
    var logOnly = PageSet()
    /// The log whose writes pass by; nil when there is none.
    var followed: BackingFile?
    /// Follows it.
    var tail: LogTail?
    var isCapturingTail = false
    /// Whether the log grew beyond `LogKeeper.longLog`.
    var isLogLong = false
    /// Whether a wal-index told what is committed at the last look.
    var isTailVouched = true
    var journal = JournalState()
    /// Pages written to the database file and not compared with the table since.
    var dirty = PageSet()
    /// When the database file or its journal was last written, cut or put in place.
    var lastDatabaseChange = MonotonicTime.now
    /// Whether the application synced since the last commit: then LTX files are synced too.
    var wasSynced = false
    /// The position when the log was put on disk the last time.
    var syncedTXID = TXID.zero
    /// Pages whose committed content may differ from the table.
    var suspect = PageSet()
    /// The log has a format that is not known, so nothing can be captured or compared before it is gone.
    var isLogUnknown = false
    /// The table is unknown: an unclean stop left a hot journal.
    var isTableUnknown = false
    /// A transaction was published under the lock and observers do not know yet.
    var published = false
    /// There is something to compare at the next quiet moment.
    var needsReconcile = false

    /// Commits that wait for the log writer, oldest first.
    ///
    /// They refer to frames of the log (invariant 3).
    var queue: [QueuedCommit] = []
    var queuedPages = 0
    /// Threads that wait until the queue is stored.
    var drainers = 0
    /// When the log writer took its last batch.
    var lastBatch = MonotonicTime.now
    /// How many commits it had.
    var lastBatchCount = 0
    /// Grows when the queue was given up.
    var queueNumber = 0
    /// Why the log writer cannot store them, as long as it cannot.
    var logFailure: StoreError?
    /// Why the last transaction that was found by comparing has no record yet.
    var unrecorded: StoreError?
    var logWriter: Thread?

    var snapshots: [DatabaseSnapshot] = []
    /// Threads that wait in `snapshot(deadline:)`.
    var awaitingSnapshot = 0

    /// Programs have it open with a rollback journal, from when this node was the primary: what they read next is a log's.
    var isOpenWithJournal = false

    /// Replica only.
    var replica = ReplicaState() {
        didSet {
            let isDoubtful = replica.needsResync
            if isDoubtful != oldValue.needsResync { shown.withLock { $0.isDoubtful = isDoubtful } }
        }
    }

    init(name: DatabaseName, context: StoreContext) throws(StoreError) {
        self.name = name
        self.context = context
        directory = context.options.dataDirectory + "/dbs/" + name.text
        counters = context.metrics.counters(of: name)
        do throws(FileError) {
            log = try TransactionLog(directory: directory + "/ltx")
        } catch {
            throw .file(error)
        }
    }

    /// Path of one of its files in the data directory.
    func path(_ kind: DatabaseFileKind) -> String { directory + "/" + kind.rawValue }

    func locked<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        // The results are values; the guard's `sending` is for state that would leave the lock.
        nonisolated(unsafe) var result: Result?
        try monitor.withLock { _ throws(Failure) in result = try body() }
        guard let result else { preconditionFailure("the body ran") }
        return result
    }

    // MARK: - What others may know

    /// A consistent view of what is known about the database.
    public struct Summary: Sendable {
        /// Last committed transaction.
        public var position: Position
        /// Pages.
        public var pageCount: UInt32
        /// Size of a page in bytes; 0 without pages.
        public var pageSize: UInt32
        /// Journal mode as the primary's file header says: `rollback`, `wal`, `wal2`.
        public var journalMode: String
        /// Time of the last transaction, milliseconds since 1970; 0 when none is known.
        public var timestamp: Int64
        /// Whether the mount shows it.
        public var isShown: Bool
        /// Why it cannot be written or replicated.
        public var fault: String?
        /// Bytes in the write-ahead log.
        public var walBytes: Int64
    }

    /// What is known about the database now.
    public var summary: Summary {
        locked { _ = try? captureTail() }
        return currentSummary
    }

    /// What is known without looking for commits that pass by.
    ///
    /// Waits for nobody but the holder of the lock: for the threads that store transactions, on which a look may wait.
    public var currentSummary: Summary {
        locked {
            let mode = JournalMode(readVersion: versionBytes.read) ?? .rollback
            return Summary(
                position: position,
                pageCount: table.pageCount,
                pageSize: table.pageSize?.rawValue ?? 0,
                journalMode: mode.name,
                timestamp: timestamp,
                isShown: isShown,
                fault: fault
                    ?? (logFailure ?? unrecorded).map { "cannot store transactions, will try again: \($0)" },
                walBytes: context.options.isPrimary
                    ? logs.newest.capturedBytes + logs.older.capturedBytes : replica.walBytes
            )
        }
    }

    /// What a program that opens the database on this node has to know of its file; nil when there is none.
    public struct FileFacts: Sendable {
        /// Differs when the name has another file than before: who has the database open must open it again.
        public var generation: UInt64
        /// What `PRAGMA journal_mode` answers: `delete`, `wal` or `wal2`.
        public var journalMode: String
    }

    /// What is to be known of the database file now.
    public var fileFacts: FileFacts? {
        let (file, header) = locked { (isShown ? files.database : nil, databaseHeader()) }
        guard let file, let generation = try? file.descriptor.identity() else { return nil }
        let mode = header.flatMap { JournalMode(readVersion: $0.readVersion) } ?? .rollback
        return FileFacts(
            generation: generation,
            journalMode: mode == .rollback ? "delete" : mode.name
        )
    }

    /// Whether programs of the mount that goes on must open the database again: they take it for one with a rollback journal.
    public var mustBeReopened: Bool { locked { isOpenWithJournal } }

    /// Position of the last committed transaction; asking waits for nobody, and sees nothing that passes by.
    public var announcedPosition: Position { shown.withLock { $0.position } }

    /// Position of the last transaction that is in the log, and so can be sent.
    public var storedPosition: Position {
        locked { queue.first?.before ?? position }
    }

    // MARK: - Faults

    /// Contains a fault to this database: says so, once, and stops what it touches.
    func fail(_ reason: String) {
        guard fault != reason else { return }
        fault = reason
        counters.faults.increment()
        context.logger.error("database \"\(name)\": \(reason)")
    }
}

/// The open files of a database by kind.
struct DatabaseFiles: Sendable {
    var database: BackingFile?
    var journal: BackingFile?
    var wal: BackingFile?
    var wal2: BackingFile?
    var shm: BackingFile?

    subscript(kind: DatabaseFileKind) -> BackingFile? {
        get {
            switch kind {
            case .database: database
            case .journal: journal
            case .wal: wal
            case .wal2: wal2
            case .shm: shm
            }
        }
        set {
            switch kind {
            case .database: database = newValue
            case .journal: journal = newValue
            case .wal: wal = newValue
            case .wal2: wal2 = newValue
            case .shm: shm = newValue
            }
        }
    }

    /// A file of the log.
    subscript(log: WALFile) -> BackingFile? { self[DatabaseFileKind(log)] }
}

/// A captured WAL commit that is not in the log yet: references to frames, no page data.
struct QueuedCommit {
    var pages: [WALCapture.Page]
    var pageCount: UInt32
    var pageSize: PageSize
    var before: Position
    var after: Position
    var timestamp: Int64
    var file: WALFile
    var firstFrame: UInt32
    var lastFrame: UInt32
    var salt1: UInt32
    var salt2: UInt32
}
