import FUSE
import Faults
import Glibc
import Logging
import POSIX
import SQLiteFormat
import Store
import Synchronization

/// The file system of a node: the store's databases and special files, and files that stay on this node.
public final class MountedFileSystem: FileSystem {
    let store: Store
    let node: any NodeStatus
    let logger: Logger
    let inodes: InodeTable
    /// Who keeps files without a name for the next daemon; nil when there will be none.
    let keeper: (any FileKeeper)?
    /// The folder `DATA/local`.
    let localDirectory: String
    /// Files and folders of these users and groups, as everything on the mount is the daemon's.
    private let owner = (user: getuid(), group: getgid())

    /// Seconds for which the kernel may believe names and attributes.
    ///
    /// On the primary nothing changes behind its back; on a replica databases come and go.
    private let timeout: Double
    private let absentTimeout: Double
    /// Attributes of a database file are believed for this long, in seconds.
    ///
    /// A program asks for them before it opens the wal-index by name, and before a transaction with a journal. When the daemon is
    /// gone and they are no longer believed, that fails. So a program with a file of one mount never gets to the log or
    /// the journal of the next, which appears later than this after the end of the daemon before (`Node.outwaitEarlierMounts`).
    private static let databaseTimeout = 0.1

    /// How long it takes until the kernel has forgotten such attributes, which it counts in ticks of up to 10 ms.
    public static let databaseMemory = Duration.seconds(databaseTimeout) + .milliseconds(20)
    private let passesThrough = Atomic<Bool>(false)
    private let isLeft = Atomic<Bool>(false)
    /// Whether it was said that temporary files of SQLite lie on the mount.
    let hasToldOfTemporaries = Atomic<Bool>(false)
    /// Names in the root folder of files that lay beside a database which was removed, and that nobody changed since.
    let leftBehind = Mutex<Set<String>>([])
    /// Inodes of which the kernel must forget name and content.
    let replacedInodes = Mutex<[(number: InodeNumber, name: String)]>([])
    /// The folder `.litefs`.
    let statusFolder: StatusFolder
    /// Tells who watches it.
    public let announcer: StatusAnnouncer

    /// Shows `store`.
    ///
    /// Makes `DATA/local` if missing.
    ///
    /// - Parameters:
    ///   - store: the databases.
    ///   - node: what the special files tell.
    ///   - memory: the session's memory; for one that an earlier process left call `takeOver` before the first request.
    ///   - keeper: who keeps files without a name for the next daemon.
    ///   - logger: for what concerns names.
    /// - Throws: when `DATA/local` cannot be made.
    public init(
        _ store: Store,
        node: any NodeStatus,
        memory: SessionMemory,
        keeper: (any FileKeeper)? = nil,
        logger: Logger
    ) throws(FileError) {
        self.store = store
        self.node = node
        self.logger = logger
        self.keeper = keeper
        let inodes = InodeTable(memory)
        self.inodes = inodes
        statusFolder = StatusFolder(store)
        announcer = StatusAnnouncer(store, statusFolder, inodes, logger)
        localDirectory = store.dataDirectory + "/local"
        timeout = store.isPrimary ? 86_400 : 1
        absentTimeout = store.isPrimary ? 86_400 : 0
        do throws(Errno) {
            try Files.makeDirectories(localDirectory, synchronize: true)
        } catch {
            throw FileError("create", localDirectory, error)
        }
        fenceLocalFiles()
        adoptLeftovers()
    }

    /// Lets logs and wal-indexes pass through from now on, where this node writes.
    public func allowPassthrough() { passesThrough.store(store.isPrimary, ordering: .relaxed) }

    /// Has the kernel forget what another daemon let it remember, and this one says otherwise.
    ///
    /// Call when requests are served, on no thread that serves one.
    ///
    /// - Parameters:
    ///   - forgetName: forgets a name in the root folder.
    ///   - forgetContent: forgets what is cached of an inode.
    public func forgetEarlier(name forgetName: (String) -> Void, content forgetContent: (InodeNumber) -> Void)
    {
        if store.roleMayChange { forgetName(".primary") }
        for (inode, name) in replacedInodes.withLock({ $0 }) {
            forgetName(name)
            forgetContent(inode)
        }
    }

    /// Prepares for the end of the mount: programs that go on must not take a file with a name of theirs in the bare folder, or
    /// on the next mount, for one of this mount.
    ///
    /// Database files cannot be looked at from now on. Returns when the kernel has forgotten what it knew of those that are open.
    public func leave() {
        isLeft.store(true, ordering: .relaxed)
        let end = MonotonicTime.now + Self.databaseMemory
        while store.databases.contains(where: \.isOpenOnMount), MonotonicTime.now < end {
            pause(.milliseconds(2))
        }
    }

    func isOwn(_ caller: Caller) -> Bool { store.isOwn(thread: caller.threadID) }

    /// Path in the data directory of a file that stays on this node.
    func localPath(_ place: Inode.Place) throws(Errno) -> String {
        localDirectory + "/" + (try inodes.path(of: place))
    }

    /// Path in the data directory of a folder that stays on this node; nil is the root folder.
    func folderPath(_ place: Inode.Place?) throws(Errno) -> String {
        guard let place else { return localDirectory }
        return try localPath(place)
    }

    // MARK: - Look-up

    /// What a name stands for.
    func resolve(_ place: Inode.Place, isOwn: Bool) throws(Errno) -> InodeKind? {
        if place.folder == InodeTable.root, let kind = resolveInRoot(place.name, isOwn: isOwn) { return kind }
        if place.folder == InodeTable.statusFolder { return statusFolder.resolve(place.name, isOwn: isOwn) }
        let path = try localPath(place)
        do throws(Errno) {
            let status = try Files.status(path)
            if status.isDirectory { return .folder }
            if status.isSymbolicLink { return .symbolicLink }
            return status.isRegularFile ? .local(nil) : nil
        } catch .noEntry {
            return nil
        }
    }

    private func resolveInRoot(_ name: String, isOwn: Bool) -> InodeKind? {
        if name == ".lag" { return .special(.lag) }
        if name == StatusFolder.name { return .statusFolder }
        if name == ".primary" { return node.connectedPrimary == nil ? nil : .special(.primary) }
        if store.staysLocal(name) { return nil }
        if let database = shownDatabase(name, isOwn: isOwn), let file = database.file(.database) {
            return .database(database, .database, file)
        }
        guard let (database, suffix) = databaseOfSidecar(name, isOwn: isOwn) else { return nil }
        switch suffix {
        case .file(let kind):
            return database.file(kind).map { .database(database, kind, $0) }
        case .position:
            return .special(.position(database))
        case .lock:
            return .special(.lock(database))
        }
    }

    /// What the end of a name says.
    enum Suffix {
        case file(DatabaseFileKind)
        case position
        case lock
    }

    func isStatusFolder(_ place: Inode.Place) -> Bool {
        place.folder == InodeTable.root && place.name == StatusFolder.name
    }

    /// The database that a name with one of the known suffixes belongs to.
    func databaseOfSidecar(_ name: String, isOwn: Bool) -> (Database, Suffix)? {
        let suffixes: [(String, Suffix)] = [
            ("-journal", .file(.journal)), ("-wal", .file(.wal)), ("-wal2", .file(.wal2)),
            ("-shm", .file(.shm)),
            ("-pos", .position),
            ("-lock", .lock),
        ]
        for (text, suffix) in suffixes where name.hasSuffix(text) {
            if let database = shownDatabase(String(name.dropLast(text.count)), isOwn: isOwn) {
                return (database, suffix)
            }
        }
        return nil
    }

    /// A database that the mount shows; the daemon itself also sees those that are not set up yet.
    func shownDatabase(_ text: String, isOwn: Bool) -> Database? {
        guard let name = try? DatabaseName(text), let database = store.database(name) else { return nil }
        return database.isShownOnMount || isOwn && database.file(.database) != nil ? database : nil
    }

    /// Looks a name up.
    public func lookup(_ name: String, in parent: InodeNumber, caller: Caller) throws(Errno) -> LookupResult {
        let place = Inode.Place(folder: parent, name: name)
        let isOwn = isOwn(caller)
        guard let kind = try resolve(place, isOwn: isOwn) else {
            return .absent(timeout: parent == InodeTable.statusFolder ? 0 : absentTimeout(of: name))
        }
        if !isOwn { statusFolder.noteLookup(kind) }
        let inode = inodes.lookedUp(place, kind)
        return .found(try entry(inode, isHidden: isHidden(kind)))
    }

    private func isHidden(_ kind: InodeKind) -> Bool {
        if case .database(let database, _, _) = kind { return !database.isShownOnMount }
        return false
    }

    /// `.primary` comes without the kernel's doing, and so does what comes with a database.
    private func absentTimeout(of name: String) -> Double {
        name == ".primary" || name.hasSuffix("-pos") || name.hasSuffix("-lock") ? 0 : absentTimeout
    }

    /// Names are believed for longer than the attributes of what they name.
    private func nameTimeout(_ inode: Inode) -> Double {
        switch inode.kind {
        // Whoever wants to watch a file, or the folder, asks for its name first.
        case .special, .statusFolder: 0
        default: timeout
        }
    }

    /// The entry of an inode that was looked up before.
    public func entry(of inode: InodeNumber) throws(Errno) -> Entry { try entry(try inodes.inode(inode)) }

    /// Whether reads of the inode are never cached.
    public func isDirect(_ inode: InodeNumber) -> Bool {
        if case .special = (try? inodes.inode(inode))?.kind { true } else { false }
    }

    func entry(_ inode: Inode, isHidden: Bool = false) throws(Errno) -> Entry {
        let attributes = try attributes(inode)
        return Entry(inode: inode.number, attributes: attributes, timeout: isHidden ? 0 : nameTimeout(inode))
    }

    /// The kernel dropped look-ups.
    public func forget(_ inode: InodeNumber, count: UInt64) { inodes.forget(inode, count: count) }

    // MARK: - Attributes

    /// Attributes of an inode.
    public func attributes(of inode: InodeNumber) throws(Errno) -> Attributes {
        try attributes(try inodes.inode(inode))
    }

    func attributes(_ inode: Inode) throws(Errno) -> Attributes {
        let (kind, place) = inode.withState { ($0.kind, $0.place) }
        switch kind {
        case .folder:
            let path = try folderPath(place)
            var status = try Files.status(path).raw
            if inode.number == InodeTable.root {
                status.st_mode = S_IFDIR | (store.isPrimary || store.roleMayChange ? 0o777 : 0o555)
            }
            return finished(status, inode, timeout)
        case .database(_, let kind, let file):
            if kind == .database, isLeft.load(ordering: .relaxed) { throw .notConnected }
            var status = try file.descriptor.status().raw
            if store.isPrimary, !store.roleMayChange {
                status.st_mode = S_IFREG | FilePermissions.ofDatabase(backing: status.st_mode)
            } else {
                // Where the role may change, what a program may do must not depend on which node made the file.
                status.st_mode = S_IFREG | (kind == .database && !store.roleMayChange ? 0o444 : 0o666)
                (status.st_uid, status.st_gid) = owner
            }
            status.st_nlink = place == nil ? 0 : 1
            return finished(status, inode, kind == .database ? Self.databaseTimeout : timeout)
        case .local(let file):
            var status: stat
            if let file {
                status = try file.descriptor.status().raw
            } else if let place {
                status = try Files.status(try localPath(place)).raw
            } else {
                throw .stale
            }
            status.st_mode = S_IFREG | FilePermissions.ofLocalFile(backing: status.st_mode)
            return finished(status, inode, timeout)
        case .symbolicLink:
            guard let place else { throw .stale }
            let status = try Files.status(try localPath(place))
            guard status.isSymbolicLink else { throw .stale }
            return finished(status.raw, inode, timeout)
        case .special(let file):
            let (size, modified) = file.size(node)
            var status = stat()
            status.st_mode = S_IFREG | file.mode
            status.st_size = off_t(size)
            status.st_nlink = 1
            (status.st_uid, status.st_gid) = owner
            status.st_mtim = timespec(tv_sec: Int(modified / 1000), tv_nsec: Int(modified % 1000) * 1_000_000)
            return finished(status, inode, 0)
        case .statusFolder:
            var status = stat()
            status.st_mode = S_IFDIR | 0o555
            status.st_nlink = 2
            (status.st_uid, status.st_gid) = owner
            return finished(status, inode, 0)
        }
    }

    private func finished(_ status: stat, _ inode: Inode, _ timeout: Double) -> Attributes {
        var status = status
        status.st_ino = ino_t(inode.number)
        return Attributes(status, timeout: timeout)
    }

    /// Changes size, mode, owner or times.
    ///
    /// On a replica nothing but the daemon's own truncations changes a database's files.
    public func setAttributes(
        of number: InodeNumber,
        _ changes: AttributeChanges,
        caller: Caller
    ) throws(Errno) -> Attributes {
        let inode = try inodes.inode(number)
        switch inode.kind {
        case .database(let database, let kind, let file):
            if let size = changes.size { try database.truncate(kind, file, to: size, isOwn: isOwn(caller)) }
            if store.isPrimary, !store.roleMayChange {
                try file.descriptor.apply(FilePermissions.onBackingFile(changes))
            }
        case .local:
            try checkLocalChange(inode.place)
            let file = try openLocal(inode)
            if let size = changes.size { try file.descriptor.truncate(to: size, passing: .localTruncate) }
            try file.descriptor.apply(FilePermissions.onBackingFile(changes))
        case .folder:
            try checkLocalChange(inode.place)
            guard let place = inode.place else { break }
            try FileDescriptor.open(try localPath(place), [.directory]).apply(changes)
        case .symbolicLink:
            try checkLocalChange(inode.place)
            guard let place = inode.place else { throw .stale }
            let path = try localPath(place)
            if changes.userID != nil || changes.groupID != nil {
                try Files.setOwner(ofLink: path, user: changes.userID, group: changes.groupID)
            }
            if changes.accessed != nil || changes.modified != nil {
                try Files.setTimes(ofLink: path, accessed: changes.accessed, modified: changes.modified)
            }
        case .special, .statusFolder:
            break
        }
        return try attributes(inode)
    }

    /// Files that stay on this node may change where the node writes, and those of `data.local` on every node.
    ///
    /// A file without a name is one of those: no other can lose it on a replica.
    func checkLocalChange(_ place: Inode.Place?) throws(Errno) {
        if let place, place.folder == InodeTable.statusFolder || isStatusFolder(place) { throw .accessDenied }
        if store.isPrimary { return }
        guard let place else { return }
        guard store.staysLocal(try inodes.rootName(of: place)) else { throw .accessDenied }
    }

    /// Whether a place belongs to what `data.local` says stays on this node.
    func staysLocal(_ place: Inode.Place) -> Bool {
        (try? inodes.rootName(of: place)).map(store.staysLocal) ?? false
    }

    // MARK: - Content

    /// Opens a file.
    public func open(_ number: InodeNumber, flags: OpenFlags, caller: Caller) throws(Errno) -> CachePolicy {
        let inode = try inodes.inode(number)
        // The kernel looks the name up again, and opens what has it now.
        if inode.withState({ $0.isReplaced }) { throw .stale }
        let isForWriting = flags.rawValue & O_ACCMODE != O_RDONLY
        switch inode.kind {
        case .database(let database, let kind, let file):
            if !isOwn(caller) { database.noteOpened() }
            try database.checkOpen(kind, forWriting: isForWriting, isOwn: isOwn(caller))
            if kind == .database { try awaitEnd(ofPassing: file, database.name) }
            return openDatabaseFile(database, kind, file, inode)
        case .local:
            if isForWriting { try checkLocalChange(inode.place) }
            return openLocalFile(try openLocal(inode), inode)
        case .folder, .statusFolder:
            throw .isDirectory
        case .symbolicLink:
            throw .tooManyLinks
        case .special(.status):
            if isForWriting, !isOwn(caller) { throw .accessDenied }
            return .direct
        case .special:
            return .direct
        }
    }

    /// Opens a file that stays on this node.
    ///
    /// What `data.local` lists passes through on a primary, where the kernel can: whatever is written there is no transaction. The files
    /// beside it do not, so that a program that outlives the mount cannot write a log.
    func openLocalFile(_ file: BackingFile, _ inode: Inode) -> CachePolicy {
        let place = inode.place
        let isListed = place.map { $0.folder == InodeTable.root && store.isListedLocal($0.name) } ?? false
        let mayPass = passesThrough.load(ordering: .relaxed) && isListed
        guard inode.opened(file, mayPassThrough: mayPass) else { return inode.cachePolicy() }
        nameOnce(inode)
        return .passThrough(file.descriptor.rawValue)
    }

    /// Waits until programs that write past the daemon have closed a database's file.
    ///
    /// The kernel tells of the end of an open file some moments later than the program's call returns.
    private func awaitEnd(ofPassing file: BackingFile, _ name: DatabaseName) throws(Errno) {
        let patience = MonotonicTime.now + .milliseconds(200)
        while file.isPassing, MonotonicTime.now < patience { pause(.microseconds(200)) }
        guard file.isPassing else { return }
        logger.warning(
            "database \"\(name)\" cannot be opened: the program that wrote its file under a name of data.local still has it open"
        )
        throw .busy
    }

    /// Opens a file of a database: log and wal-index pass through on a primary, where the kernel can.
    ///
    /// All open files of one inode pass through, or none. The log is followed from before the first of its writes.
    func openDatabaseFile(
        _ database: Database,
        _ kind: DatabaseFileKind,
        _ file: BackingFile,
        _ inode: Inode
    ) -> CachePolicy {
        let mayPass =
            passesThrough.load(ordering: .relaxed) && (kind == .wal || kind == .wal2 || kind == .shm)
        guard inode.opened(file, mayPassThrough: mayPass) else { return inode.cachePolicy() }
        if kind == .wal { database.followLog(file) }
        return .passThrough(file.descriptor.rawValue)
    }

    /// The backing file of a file that stays on this node, opened if nobody has it open.
    func openLocal(_ inode: Inode) throws(Errno) -> BackingFile {
        let (kind, place) = inode.withState { ($0.kind, $0.place) }
        if case .local(let file?) = kind { return file }
        guard let place else { throw .stale }
        let path = try localPath(place)
        do throws(Errno) {
            return try BackingFile.open(path, [.readWrite, .noFollow])
        } catch .accessDenied {
            return try BackingFile.open(path, [.readOnly, .noFollow])
        }
    }

    /// The last user of an open file closed it.
    public func release(_ number: InodeNumber) {
        guard let inode = try? inodes.inode(number), let file = inode.closed() else { return }
        if file.isKept { keeper?.drop(file) }
        guard case .database(let database, .database, _) = inode.kind else { return }
        let wasUnseen = inode.withState { state in
            defer { state.isUnseen = false }
            return state.isUnseen
        }
        if wasUnseen { database.compareAgain() }
    }

    /// Reads.
    public func read(
        _ number: InodeNumber,
        into buffer: UnsafeMutableRawBufferPointer,
        at offset: Int64
    ) throws(Errno) -> Int {
        let inode = try inodes.inode(number)
        switch inode.kind {
        case .database(_, _, let file):
            return try file.descriptor.read(into: buffer, at: offset)
        case .local:
            return try openLocal(inode).descriptor.read(into: buffer, at: offset)
        case .special(let file):
            let bytes = file.content(node).bytes.dropFirst(Int(clamping: offset)).prefix(buffer.count)
            buffer.copyBytes(from: bytes)
            return bytes.count
        case .symbolicLink:
            throw .tooManyLinks
        case .folder, .statusFolder:
            throw .isDirectory
        }
    }

    /// Writes.
    ///
    /// A file in the root folder whose content starts as a database becomes one, before the write.
    public func write(
        _ number: InodeNumber,
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64,
        caller: Caller
    ) throws(Errno) {
        let inode = try inodes.inode(number)
        switch inode.kind {
        case .database(let database, let kind, let file):
            // What the recovery found in the log may be captured; written again it would be taken for a change.
            if caller.isRepeated, kind == .wal || kind == .wal2, store.mayCommit,
                file.contains(bytes, at: offset)
            {
                return
            }
            try database.write(kind, file, bytes, at: offset, isOwn: isOwn(caller))
        case .local:
            if offset == 0, DatabaseHeader.isDatabase(prefix: bytes), try promote(inode) {
                return try write(number, bytes, at: offset, caller: caller)
            }
            nameOnce(inode)
            try openLocal(inode).descriptor.write(bytes, at: offset, passing: .localWrite)
        case .special(.status):
            // The kernel tells who watches the file; the content is made up anyway.
            guard isOwn(caller) else { throw .accessDenied }
        case .special(.position), .special(.lock), .special(.lag), .special(.primary):
            throw .accessDenied
        case .symbolicLink:
            throw .tooManyLinks
        case .folder, .statusFolder:
            throw .isDirectory
        }
    }

    /// Puts a file on disk.
    public func synchronize(_ number: InodeNumber, dataOnly: Bool, caller: Caller) throws(Errno) {
        switch try inodes.inode(number).kind {
        case .database(let database, let kind, let file):
            try database.synchronize(kind, file, dataOnly: dataOnly, isOwn: isOwn(caller))
        case .local(let file?):
            try FaultPoint.localSync.pass()
            if dataOnly { try file.descriptor.synchronizeData() } else { try file.descriptor.synchronize() }
        default:
            break
        }
    }

    /// Reserves space.
    public func allocate(_ number: InodeNumber, mode: Int32, offset: Int64, length: Int64) throws(Errno) {
        let inode = try inodes.inode(number)
        switch inode.kind {
        case .database(let database, let kind, let file):
            // Only reserving: punching holes would change content behind the capture.
            guard mode & ~1 == 0 else { throw .notSupported }
            try database.allocate(kind, file, mode: mode, offset: offset, length: length, isOwn: false)
        case .local:
            try openLocal(inode).descriptor.allocate(mode: mode, offset: offset, length: length)
        default:
            throw .notSupported
        }
    }

    /// Space and limits of the data directory's file system.
    public func statistics() throws(Errno) -> statvfs { try Files.fileSystem(store.dataDirectory) }
}

extension FileDescriptor {
    /// Sets mode, owner and times.
    fileprivate func apply(_ changes: AttributeChanges) throws(Errno) {
        if let mode = changes.mode { try setMode(mode) }
        if changes.userID != nil || changes.groupID != nil {
            try setOwner(user: changes.userID, group: changes.groupID)
        }
        if changes.accessed != nil || changes.modified != nil {
            try setTimes(accessed: changes.accessed, modified: changes.modified)
        }
    }
}
