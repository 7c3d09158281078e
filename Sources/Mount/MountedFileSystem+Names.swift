import FUSE
import Faults
import Glibc
import Logging
import POSIX
import SQLiteFormat
import Store

// Names are made, removed and changed. The kernel lets only one such operation into a folder at a time.
extension MountedFileSystem {
    /// Makes and opens a file.
    public func create(
        _ name: String,
        in parent: InodeNumber,
        mode: UInt32,
        flags: OpenFlags,
        caller: Caller
    ) throws(Errno) -> (Entry, CachePolicy) {
        let place = Inode.Place(folder: parent, name: name)
        let isOwn = isOwn(caller)
        if let existing = try resolve(place, isOwn: isOwn) {
            if flags.contains(.exclusive), !caller.isRepeated { throw .exists }
            let inode = inodes.lookedUp(place, existing)
            do throws(Errno) {
                let policy = try open(inode.number, flags: flags, caller: caller)
                return (try entry(inode), policy)
            } catch {
                inodes.forget(inode.number, count: 1)
                throw error
            }
        }
        if parent == InodeTable.root, let (database, suffix) = databaseOfSidecar(name, isOwn: isOwn) {
            guard case .file(let kind) = suffix else { throw .accessDenied }
            let file = try database.create(kind, mode: mode, isOwn: isOwn)
            if store.isPrimary {
                FilePermissions.give(file.descriptor, to: caller)
                if let main = database.file(.database) {
                    try FilePermissions.inherit(file.descriptor, from: main.descriptor)
                }
            }
            let inode = inodes.lookedUp(place, .database(database, kind, file))
            let policy = openDatabaseFile(database, kind, file, inode)
            return (try entry(inode), policy)
        }
        if parent == InodeTable.statusFolder, isOwn { return (try entry(try announce(place)), .direct) }
        guard name != ".primary" else { throw .accessDenied }
        try checkLocalChange(place)
        try FaultPoint.localCreate.pass()
        let file = try BackingFile.open(
            try localPath(place),
            [.readWrite, .create, .noFollow],
            mode: mode & 0o777
        )
        FilePermissions.give(file.descriptor, to: caller)
        forgetLeft(place)
        if name.hasPrefix("etilqs_"), !hasToldOfTemporaries.exchange(true, ordering: .relaxed) {
            logger.warning(
                "SQLite keeps its temporary files on the mount (\(name)), where each read and write of them asks the daemon: "
                    + "SQLITE_TMPDIR, TMPDIR or the working folder of a program lies there; set SQLITE_TMPDIR to a folder elsewhere"
            )
        }
        let inode = inodes.lookedUp(place, .local(file))
        inode.withState { $0.kind = .local(file) }
        let policy = openLocalFile(file, inode)
        return (try entry(inode), policy)
    }

    /// Turns a file in the root folder into a database, with the other files that belong to it.
    ///
    /// - Returns: false when its name or folder says that it stays on this node.
    func promote(_ inode: Inode) throws(Errno) -> Bool {
        guard store.isPrimary, let place = inode.place, place.folder == InodeTable.root,
            mayBeDatabase(place.name),
            case .local = inode.kind
        else { return false }
        guard store.mayCommit else { throw .readOnlyFileSystem }
        let name: DatabaseName
        do throws(DatabaseNameError) {
            name = try DatabaseName(place.name)
        } catch {
            logger.warning("\(error); the file stays on this node")
            return false
        }
        let path = try localPath(place)
        let file = try openLocal(inode)
        try discardLeft(beside: name)
        try adopt(name, file, from: path, inode)
        // SQLite synced the names before it wrote, as they were then. Until the new ones are on disk a power failure could
        // leave the database under one of them and its journal under the other, so that SQLite would not find it.
        try synchronizeDirectory(InodeTable.root)
        return true
    }

    /// Takes files that passed through from programs that outlived the mount and still write to them: they keep the old file, and its name
    /// gets a copy.
    func fenceLocalFiles() {
        let copyPath = localDirectory + "/" + StatusFolder.name + "-copy"
        try? Files.unlink(copyPath, ifExists: true)
        guard store.isPrimary, let entries = try? Files.list(localDirectory) else { return }
        for entry in entries where store.isListedLocal(entry.name) {
            let path = localDirectory + "/" + entry.name
            guard (try? Files.status(path))?.isRegularFile == true,
                let file = try? FileDescriptor.open(path, [.readOnly, .noFollow]),
                (try? file.isOpenForWriting()) == true
            else { continue }
            do throws(Errno) {
                let copy = try FileDescriptor.open(copyPath, [.readWrite, .create, .exclusive])
                _ = try copy.copyContent(of: file)
                FilePermissions.copy(file, to: copy)
                try Files.rename(copyPath, path)
                logger.info(
                    "\"\(entry.name)\": a program of an earlier mount still writes to it; the name has a copy from now on"
                )
            } catch {
                logger.error(
                    "\(path): cannot be taken from a program of an earlier mount, which still writes to it: \(error)"
                )
            }
        }
    }

    /// Takes up databases that a daemon left among the files of this node when it died in the middle of a change of names.
    ///
    /// What has a database's name and content is a database: a rename first moves a file here, under its old name and then under
    /// its new one, and then makes it what that name says.
    func adoptLeftovers() {
        guard store.isPrimary, let entries = try? Files.list(localDirectory) else { return }
        for entry in entries where !entry.isDirectory && mayBeDatabase(entry.name) {
            let path = localDirectory + "/" + entry.name
            guard let name = try? DatabaseName(entry.name),
                (try? Files.status(path))?.isRegularFile == true,
                let file = try? BackingFile.open(path, [.readWrite, .noFollow]), isDatabase(file)
            else { continue }
            let place = Inode.Place(folder: InodeTable.root, name: entry.name)
            let inode = Inode(number: 0, kind: .local(file), place: place)
            do throws(Errno) {
                try adopt(name, file, from: path, inode)
                if case .database(let database, _, _) = inode.kind { reconcile(database) }
                logger.info("database \"\(name)\": taken up after a change of names that was not finished")
            } catch {
                logger.error("database \"\(name)\": cannot be taken up from \(path): \(error)")
            }
        }
        for database in store.databases { database.discardLeftovers() }
    }

    /// Empties what lies beside a removed database whose name another file gets: it would be applied to that.
    ///
    /// The names stay, as those of files that nobody removed.
    private func discardLeft(beside name: DatabaseName) throws(Errno) {
        for kind in DatabaseFileKind.sidecars {
            let place = Inode.Place(folder: InodeTable.root, name: name.text + kind.suffix)
            guard leftBehind.withLock({ $0.remove(place.name) != nil }) else { continue }
            let path = try localPath(place)
            guard (try? Files.status(path))?.isRegularFile == true else { continue }
            try keepOpen(place)
            try Files.unlink(path)
            _ = try BackingFile.open(path, [.readWrite, .create, .exclusive])
            inodes.replaced(place)
            announcer.forget(place.name)
        }
    }

    /// A name in the root folder is given, taken or moved: what has it now was put there on purpose.
    private func forgetLeft(_ place: Inode.Place) {
        if place.folder == InodeTable.root { leftBehind.withLock { _ = $0.remove(place.name) } }
    }

    /// Whether a file with this name in the root folder may become a database: SQLite's temporary files and those that `data.local`
    /// names do not.
    private func mayBeDatabase(_ name: String) -> Bool {
        !name.hasPrefix("etilqs_") && !store.staysLocal(name)
    }

    private func isDatabase(_ file: BackingFile) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: DatabaseHeader.size, alignment: 8) { bytes in
            let count = (try? file.descriptor.read(into: bytes, at: 0)) ?? 0
            return DatabaseHeader.isDatabase(prefix: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        }
    }

    /// Hands a file and those that belong to it over to the database of a name.
    private func adopt(
        _ name: DatabaseName,
        _ file: BackingFile,
        from path: String,
        _ inode: Inode
    ) throws(Errno) {
        let database: Database
        do throws(StoreError) {
            database = try store.databaseOrNew(name)
        } catch {
            logger.error("cannot create database \"\(name)\": \(error)")
            throw error.errno
        }
        for kind in DatabaseFileKind.sidecars {
            let place = Inode.Place(folder: InodeTable.root, name: name.text + kind.suffix)
            let sidecar = inodes.inode(at: place)
            let sidecarPath = try localPath(place)
            // A symbolic link stays one: whatever it names is no file of this database.
            guard (try? Files.status(sidecarPath))?.isRegularFile == true else { continue }
            var backing: BackingFile?
            if case .local(let open?) = sidecar?.kind { backing = open }
            if backing == nil { backing = try BackingFile.open(sidecarPath, [.readWrite, .noFollow]) }
            guard let backing else { continue }
            try database.adopt(kind, backing, from: sidecarPath)
            sidecar?.withState { $0.kind = .database(database, kind, backing) }
        }
        let before = DatabaseFileKind.allCases.map { ($0, database.file($0)) }
        try database.adopt(.database, file, from: path)
        inode.withState { state in
            state.kind = .database(database, .database, file)
            state.isUnseen = file.isPassing
        }
        for (kind, old) in before where kind != .database && old != nil && database.file(kind) !== old {
            let place = Inode.Place(folder: InodeTable.root, name: name.text + kind.suffix)
            inodes.replaced(place)
            announcer.forget(place.name)
            guard let renewed = database.file(kind) else { continue }
            FilePermissions.copy(file.descriptor, to: renewed.descriptor)
        }
    }

    /// Says once that a file is not replicated.
    func nameOnce(_ inode: Inode) {
        let place = inode.withState { state -> Inode.Place? in
            if state.wasNamed { return nil }
            state.wasNamed = true
            return state.place
        }
        guard let place, let path = try? inodes.path(of: place) else { return }
        // Journals and temporary files of SQLite come and go with every transaction.
        let isTransient =
            DatabaseName.suffixes.contains { place.name.hasSuffix($0) } || place.name.contains("-mj")
            || place.name.hasPrefix("etilqs_")
        let isNamed = staysLocal(place)
        logger.log(
            isTransient ? .debug : .info,
            isNamed
                ? "\"\(path)\" stays on this node and is not replicated, as data.local says"
                : "\"\(path)\" is not a database in the root folder: it stays on this node and is not replicated"
        )
    }

    /// Removes a file's name.
    public func unlink(_ name: String, in parent: InodeNumber, caller: Caller) throws(Errno) {
        let place = Inode.Place(folder: parent, name: name)
        let isOwn = isOwn(caller)
        keepOpenFile(of: place)
        switch try resolve(place, isOwn: isOwn) {
        case nil:
            // On a node that may not commit any more the name went without the transaction that it ends.
            guard caller.isRepeated, store.mayCommit || staysLocal(place) else { throw .noEntry }
        case .folder, .statusFolder:
            throw .isDirectory
        case .special(.status) where isOwn:
            statusFolder.withdraw(name)
        case .special:
            throw .accessDenied
        case .local, .symbolicLink:
            try checkLocalChange(place)
            try keepOpen(place)
            forgetLeft(place)
            try FaultPoint.localUnlink.pass()
            try Files.unlink(try localPath(place))
        case .database(let database, .database, _):
            guard store.isPrimary else { throw .accessDenied }
            try database.drop()
            try releaseSidecars(of: database, isGone: true)
        case .database(let database, let kind, _):
            guard store.isPrimary || isOwn else { throw .accessDenied }
            try database.unlink(kind, isOwn: isOwn)
        }
        inodes.removed(place)
    }

    /// The files beside a dropped database stay, as they would on any file system; they are no longer a database's.
    ///
    /// When its file is gone, they mean nothing to a file that gets its name.
    func releaseSidecars(of database: Database, isGone: Bool) throws(Errno) {
        for kind in DatabaseFileKind.sidecars {
            guard let file = database.file(kind) else { continue }
            let place = Inode.Place(folder: InodeTable.root, name: database.name.text + kind.suffix)
            try database.release(kind, to: try localPath(place))
            inodes.inode(at: place)?.withState { $0.kind = .local(file) }
            if isGone { leftBehind.withLock { _ = $0.insert(place.name) } }
        }
    }

    /// A file that is in use and loses its name must be there for the next daemon, which cannot open it.
    func keepOpenFile(of place: Inode.Place) {
        guard let keeper, let file = inodes.inode(at: place)?.kind.backing, file.isInUse else { return }
        keeper.keep(file)
    }

    /// An inode that loses its name can be read only through a descriptor: makes sure that it has one.
    private func keepOpen(_ place: Inode.Place) throws(Errno) {
        keepOpenFile(of: place)
        guard let inode = inodes.inode(at: place), case .local(nil) = inode.kind else { return }
        let file = try? BackingFile.open(try localPath(place), [.readOnly, .noFollow])
        inode.withState { state in
            if case .local(nil) = state.kind { state.kind = .local(file) }
        }
    }

    /// Makes a folder.
    ///
    /// It and all in it stay on this node.
    public func makeDirectory(
        _ name: String,
        in parent: InodeNumber,
        mode: UInt32,
        caller: Caller
    ) throws(Errno) -> Entry {
        let place = Inode.Place(folder: parent, name: name)
        try checkLocalChange(place)
        if let existing = try resolve(place, isOwn: false) {
            guard caller.isRepeated, case .folder = existing else { throw .exists }
            return try entry(inodes.lookedUp(place, existing))
        }
        let folder = try localPath(place)
        try Files.makeDirectory(folder, mode: mode & 0o7777)
        FilePermissions.give(try FileDescriptor.open(folder, [.directory]), to: caller)
        let inode = inodes.lookedUp(place, .folder)
        let path = try inodes.path(of: place)
        logger.info("\"\(path)/\" is a folder: what is in it stays on this node and is not replicated")
        return try entry(inode)
    }

    /// Makes a symbolic link, which stays on this node like every file that is no database.
    ///
    /// The daemon never follows it: the kernel does, as the program that uses it.
    public func makeSymbolicLink(
        _ name: String,
        in parent: InodeNumber,
        to target: String,
        caller: Caller
    ) throws(Errno) -> Entry {
        let place = Inode.Place(folder: parent, name: name)
        try checkLocalChange(place)
        guard name != ".primary" else { throw .accessDenied }
        let path = try localPath(place)
        if let existing = try resolve(place, isOwn: isOwn(caller)) {
            guard caller.isRepeated, case .symbolicLink = existing, try Files.symbolicLink(path) == target
            else { throw .exists }
            return try entry(inodes.lookedUp(place, existing))
        }
        try Files.makeSymbolicLink(path, to: target)
        if caller.userID != getuid() || caller.groupID != getgid() {
            try? Files.setOwner(ofLink: path, user: caller.userID, group: caller.groupID)
        }
        return try entry(inodes.lookedUp(place, .symbolicLink))
    }

    /// What a symbolic link says.
    public func symbolicLink(_ number: InodeNumber) throws(Errno) -> String {
        let inode = try inodes.inode(number)
        guard case .symbolicLink = inode.kind else { throw .invalidArgument }
        guard let place = inode.place else { throw .stale }
        return try Files.symbolicLink(try localPath(place))
    }

    /// Removes an empty folder.
    public func removeDirectory(_ name: String, in parent: InodeNumber, caller: Caller) throws(Errno) {
        let place = Inode.Place(folder: parent, name: name)
        try checkLocalChange(place)
        let present = try resolve(place, isOwn: false)
        if present != nil || !caller.isRepeated {
            guard case .folder = present else { throw .notDirectory }
            try Files.removeDirectory(try localPath(place))
        }
        inodes.removed(place)
    }

    // MARK: - Rename

    /// Gives a file or folder another name.
    ///
    /// A database's file first becomes a file like any other, then takes its new name, then becomes what that name says: so every
    /// combination is one of a few steps. Content that arrives at a database's name is compared with what was there and
    /// becomes one transaction of it.
    public func rename(
        _ name: String,
        in parent: InodeNumber,
        to newName: String,
        in newParent: InodeNumber,
        flags: UInt32,
        caller: Caller
    ) throws(Errno) {
        let old = Inode.Place(folder: parent, name: name)
        let new = Inode.Place(folder: newParent, name: newName)
        for place in [old, new] { try checkLocalChange(place) }
        guard flags & ~1 == 0 else { throw .invalidArgument }
        let target = try resolve(new, isOwn: false)
        if store.roleMayChange, !store.mayCommit, !staysLocal(old) || !staysLocal(new) {
            throw .readOnlyFileSystem
        }
        guard let source = try resolve(old, isOwn: false) else {
            guard caller.isRepeated, target != nil else { throw .noEntry }
            return inodes.renamed(old, to: new)
        }
        if flags & 1 != 0, target != nil { throw .exists }
        if case .special = source { throw .accessDenied }
        if case .special = target { throw .accessDenied }
        if case .folder = source {
            if let target, case .folder = target {} else if target != nil { throw .notDirectory }
            try Files.rename(try localPath(old), try localPath(new))
            return inodes.renamed(old, to: new)
        }
        if case .folder = target { throw .isDirectory }
        forgetLeft(old)
        forgetLeft(new)
        keepOpenFile(of: new)
        if case .symbolicLink = source { return try renameLink(old, to: new, target) }

        let file = try detach(old, source)
        do throws(Errno) {
            try take(old, file, to: new, target)
        } catch {
            // A rename that failed leaves the file under its old name, as what it was.
            let oldPath = try localPath(old)
            if !Files.exists(oldPath) { try? Files.rename(try localPath(new), oldPath) }
            if Files.exists(oldPath) { try? attach(old, nil, file, oldPath, inode: inodes.inode(at: old)) }
            throw error
        }
        inodes.renamed(old, to: new)
    }

    /// Gives a symbolic link another name; a database whose name it takes is dropped.
    private func renameLink(
        _ old: Inode.Place,
        to new: Inode.Place,
        _ target: InodeKind?
    ) throws(Errno) {
        try keepOpen(new)
        let (oldPath, newPath) = (try localPath(old), try localPath(new))
        try Files.rename(oldPath, newPath)
        do throws(Errno) {
            if case .database(let database, let kind, _) = target {
                if kind == .database {
                    try database.drop()
                    try releaseSidecars(of: database, isGone: true)
                } else {
                    try database.unlink(kind, isOwn: false)
                }
            }
        } catch {
            try? Files.rename(newPath, oldPath)
            throw error
        }
        inodes.renamed(old, to: new)
    }

    /// Gives a file that stays on this node its new name, and makes it what the name says.
    private func take(
        _ old: Inode.Place,
        _ file: BackingFile,
        to new: Inode.Place,
        _ target: InodeKind?
    ) throws(Errno) {
        if case .local = target { try keepOpen(new) }
        if new.folder == InodeTable.root, mayBeDatabase(new.name), isDatabase(file),
            let name = try? DatabaseName(new.name)
        {
            try discardLeft(beside: name)
        }
        let newPath = try localPath(new)
        try FaultPoint.localRename.pass()
        try Files.rename(try localPath(old), newPath)
        try attach(new, target, file, newPath, inode: inodes.inode(at: old))
    }

    /// Makes the file of a name one that stays on this node, under the same name.
    ///
    /// Returns its backing file.
    private func detach(_ place: Inode.Place, _ kind: InodeKind) throws(Errno) -> BackingFile {
        let inode = inodes.inode(at: place)
        let path = try localPath(place)
        switch kind {
        case .database(let database, let kind, let file):
            if kind == .database {
                try database.drop(movingTo: path)
                try releaseSidecars(of: database, isGone: false)
            } else {
                try database.release(kind, to: path)
            }
            inode?.withState { $0.kind = .local(file) }
            return file
        default:
            if case .local(let open?) = inode?.kind { return open }
            return try BackingFile.open(path, [.readWrite, .noFollow])
        }
    }

    /// Makes a file that just got its name what the name says.
    private func attach(
        _ place: Inode.Place,
        _ target: InodeKind?,
        _ file: BackingFile,
        _ path: String,
        inode: Inode?
    ) throws(Errno) {
        guard place.folder == InodeTable.root else { return }
        if let (database, suffix) = databaseOfSidecar(place.name, isOwn: false), case .file(let kind) = suffix
        {
            if database.file(kind) != nil { try database.unlink(kind, isOwn: false) }
            try database.adopt(kind, file, from: path)
            inode?.withState { $0.kind = .database(database, kind, file) }
            return
        }
        guard isDatabase(file), mayBeDatabase(place.name), let name = try? DatabaseName(place.name)
        else {
            // What is no database took the place of one.
            if case .database(let database, .database, _) = target {
                try database.drop()
                try releaseSidecars(of: database, isGone: true)
            }
            return
        }
        let carrier = inode ?? Inode(number: 0, kind: .local(file), place: place)
        try adopt(name, file, from: path, carrier)
        if case .database(let database, _, _) = carrier.kind { reconcile(database) }
    }

    /// Compares what was adopted; the name has changed, so what cannot be stored now is left to the reconciler.
    private func reconcile(_ database: Database) {
        do throws(Errno) {
            try database.reconcileAdopted()
        } catch {
            logger.warning("database \"\(database.name)\": its new content waits to be stored: \(error)")
        }
    }

    // MARK: - Listing

    /// The names in a folder.
    public func list(_ number: InodeNumber) throws(Errno) -> [ListedName] {
        let inode = try inodes.inode(number)
        if number == InodeTable.statusFolder { return statusFolder.names }
        guard case .folder = inode.kind else { throw .notDirectory }
        var names: [ListedName] = []
        let path = try folderPath(inode.place)
        for entry in try Files.list(path) where number != InodeTable.root || entry.name != StatusFolder.name {
            names.append(ListedName(name: entry.name, inode: 0, type: entry.type))
        }
        if number == InodeTable.root { names += rootNames() }
        for index in names.indices {
            let place = Inode.Place(folder: number, name: names[index].name)
            names[index].inode = inodes.inode(at: place)?.number ?? UInt64(UInt32.max)
        }
        return names
    }

    private func rootNames() -> [ListedName] {
        var names = [".lag"]
        if node.connectedPrimary != nil { names.append(".primary") }
        for database in store.databases where database.isShownOnMount {
            for kind in DatabaseFileKind.allCases where database.file(kind) != nil {
                names.append(database.name.text + kind.suffix)
            }
            names.append(database.name.text + "-pos")
        }
        return names.map { ListedName(name: $0, inode: 0, type: S_IFREG) }
            + [ListedName(name: StatusFolder.name, inode: InodeTable.statusFolder, type: S_IFDIR)]
    }

    /// The daemon makes the name of a status file known to the kernel.
    private func announce(_ place: Inode.Place) throws(Errno) -> Inode {
        guard let kind = statusFolder.announce(place.name) else { throw .noEntry }
        return inodes.lookedUp(place, kind)
    }

    /// Puts a folder's names on disk.
    ///
    /// In the root folder they are those of all databases, dropped ones included.
    public func synchronizeDirectory(_ number: InodeNumber) throws(Errno) {
        let inode = try inodes.inode(number)
        if case .statusFolder = inode.kind { return }
        let path = try folderPath(inode.place)
        try Files.synchronizeDirectory(path)
        guard number == InodeTable.root else { return }
        for database in store.databases { try database.synchronizeNames() }
    }
}
