import FUSE
import Logging
import POSIX
import Store
import Synchronization

/// Makes the kernel tell programs that watch `.litefs` (inotify): a tiny write through the own mount is an IN_MODIFY, the making of a name
/// an IN_CREATE, its removal an IN_DELETE.
///
/// Where nobody watches, a transaction costs a look at a flag: a watch begins with a look-up of the name, and a name that nobody
/// holds any more is forgotten by the kernel when it is asked to (`findWatchers`).
///
/// Invariant 8: the thread that works through the mount waits for no other, holds no lock, and nobody who serves a request waits for it.
public final class StatusAnnouncer: StoreObserver {
    private struct State {
        /// Databases with news.
        var news: Set<DatabaseName> = []
        /// Names in the root folder that the kernel remembers and that another file has now.
        var stale: Set<String> = []
        var isStopping = false
    }

    /// Events of one file come at most so often.
    private static let rest = Duration.milliseconds(1)
    /// How long names that were looked up are taken for watched before that is found out.
    private static let trust = Duration.seconds(5)
    /// How long the kernel has to forget names that nobody holds.
    private static let forgetting = Duration.milliseconds(20)

    private let store: Store
    private let folder: StatusFolder
    private let inodes: InodeTable
    private let logger: Logger
    private let state = Guarded(State())
    private let thread = Mutex<Thread?>(nil)
    /// Whether a name is watched, as far as is known.
    private let isWatched = Atomic<Bool>(false)

    init(_ store: Store, _ folder: StatusFolder, _ inodes: InodeTable, _ logger: Logger) {
        self.store = store
        self.folder = folder
        self.inodes = inodes
        self.logger = logger
    }

    // MARK: - News

    /// A database has a new position.
    public func transactionsAppeared(in database: Database) {
        let isNew = folder.isAnnounced(StatusFolder.fileName(of: database.name)) != database.isShownOnMount
        if isNew || isWatched.load(ordering: .relaxed) || folder.hasWanted { ring(database.name) }
    }

    /// A database came or went.
    public func visibilityChanged(of database: Database) { ring(database.name) }

    private func ring(_ name: DatabaseName) {
        state.withLock { _ = $0.pointee.news.insert(name) }
        state.wakeAll()
    }

    /// Has the kernel forget a name of the root folder, which another file has now.
    func forget(_ name: String) {
        state.withLock { _ = $0.pointee.stale.insert(name) }
        state.wakeAll()
    }

    // MARK: - Life

    /// Begins, on a mount that nobody else sees yet: the files of all databases are there when this returns.
    ///
    /// - Parameters:
    ///   - root: descriptor of the mount's root folder.
    ///   - invalidate: makes the kernel forget a name in a folder.
    public func start(root: Int32, invalidate: @escaping @Sendable (String, InodeNumber) -> Void) {
        let run = Announcing(store, folder, inodes, root: root, invalidate: invalidate, logger)
        for database in store.databases { run.announce(database.name) }
        thread.withLock { thread in
            thread = Thread("status") { [self] in
                while let (news, stale) = Self.next(state) {
                    for name in stale { invalidate(name, InodeTable.root) }
                    for name in news { run.announce(name) }
                    run.findWatchers(after: Self.trust, Self.forgetting)
                    isWatched.store(run.isWatched, ordering: .relaxed)
                    if !news.isEmpty { pause(Self.rest) }
                }
                run.stop()
            }
        }
    }

    private static func next(_ state: Guarded<State>) -> (Set<DatabaseName>, Set<String>)? {
        state.withLock { current in
            while current.pointee.news.isEmpty, current.pointee.stale.isEmpty, !current.pointee.isStopping {
                state.wait()
            }
            defer { (current.pointee.news, current.pointee.stale) = ([], []) }
            return current.pointee.isStopping ? nil : (current.pointee.news, current.pointee.stale)
        }
    }

    /// Ends, and closes what is open on the mount.
    public func stop() {
        state.withLock { $0.pointee.isStopping = true }
        state.wakeAll()
        thread.withLock { thread in
            thread?.join()
            thread = nil
        }
    }
}

/// What the announcer's thread does, and what it knows.
///
/// One thread; what is open on the mount belongs to its mount thread.
private final class Announcing: @unchecked Sendable {
    // SAFETY: made by the thread that starts the announcer, then used by the announcer's alone; `files` by the mount thread alone.
    private let store: Store
    private let folder: StatusFolder
    private let inodes: InodeTable
    private let root: Int32
    private let mount: MountThread
    private let invalidate: @Sendable (String, InodeNumber) -> Void
    private let logger: Logger
    /// Open files by name.
    private var files: [String: FileHandle] = [:]
    /// Names that programs looked for and that the kernel held when it was asked last; the empty one is the folder.
    private var watched: Set<String> = []
    private var lastFound = MonotonicTime.now
    private var hasComplained = false

    /// A descriptor that can be kept in a dictionary.
    private final class FileHandle {
        let descriptor: FileDescriptor
        init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
    }

    init(
        _ store: Store,
        _ folder: StatusFolder,
        _ inodes: InodeTable,
        root: Int32,
        invalidate: @escaping @Sendable (String, InodeNumber) -> Void,
        _ logger: Logger
    ) {
        self.store = store
        self.folder = folder
        self.inodes = inodes
        self.root = root
        self.invalidate = invalidate
        self.logger = logger
        mount = store.mountThread("status-mount", root: root)
    }

    var isWatched: Bool { !watched.isEmpty }

    /// Brings what the kernel knows of a database's file up to date, and tells who watches it.
    func announce(_ database: DatabaseName) {
        if folder.hasWanted {
            if watched.isEmpty { lastFound = .now }
            watched.formUnion(folder.takeWanted())
        }
        let name = StatusFolder.fileName(of: database)
        let isShown = store.database(database)?.isShownOnMount ?? false
        let isKnown = folder.isAnnounced(name)
        let isWanted = watched.contains("") || watched.contains(name)
        guard isShown || isKnown, isShown != isKnown || isWanted else { return }
        do throws(Errno) {
            try mount.run { () throws(Errno) in
                let path = StatusFolder.name + "/" + name
                switch (isShown, isKnown) {
                case (true, false): _ = try FileDescriptor.open(path, [.writeOnly, .create], in: root)
                case (false, _):
                    files[name] = nil
                    try Files.unlink(path, in: root, ifExists: true)
                case (true, true):
                    if files[name] == nil {
                        files[name] = FileHandle(try FileDescriptor.open(path, .writeOnly, in: root))
                    }
                    try files[name]?.descriptor.write([UInt8(ascii: "\n")], at: 0)
                }
            }
            hasComplained = false
        } catch {
            if !hasComplained {
                logger.warning(
                    "\(StatusFolder.name)/\(name): cannot tell who watches it, will try again: \(error)"
                )
            }
            hasComplained = true
        }
    }

    /// Finds out, once in a while, which of the names are watched: has the kernel forget them, and looks which ones it keeps.
    func findWatchers(after trust: Duration, _ forgetting: Duration) {
        guard !watched.isEmpty, MonotonicTime.now - lastFound > trust else { return }
        mount.run { files = [:] }
        for name in watched where !name.isEmpty { invalidate(name, InodeTable.statusFolder) }
        invalidate(StatusFolder.name, InodeTable.root)
        pause(forgetting)
        watched = watched.filter { name in
            let isFolder = name.isEmpty
            return inodes.isHeld(
                Inode.Place(
                    folder: isFolder ? InodeTable.root : InodeTable.statusFolder,
                    name: isFolder ? StatusFolder.name : name
                )
            )
        }
        lastFound = .now
    }

    func stop() { mount.stop() }
}
