import FUSE
import Glibc
import Logging
import POSIX
import Store

// A session that an earlier daemon served goes on with this one (docs/ARCHITECTURE.md, "Surviving the daemon").
extension MountedFileSystem {
    /// Finds out what the inodes are that the kernel knows, and counts who has them open.
    ///
    /// Invariant: an inode that is open gets the file that backed it before, and no other. Its name says where that should be; where
    /// something else is there now, or nothing, it is one of the files without a name that were kept.
    ///
    /// Call once, when the store is open, before the first request is served.
    ///
    /// - Parameters:
    ///   - memory: the session's memory.
    ///   - kept: files without a name; those that nobody uses are given up.
    public func takeOver(_ memory: SessionMemory, kept: [BackingFile]) {
        let keptByIdentity = Dictionary(
            kept.map { ($0.identity, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        for file in kept { _ = file.setKept(true) }
        finishDrops()
        for inode in inodes.all { identify(inode, keptByIdentity) }
        var lost = 0
        for open in memory.openFiles {
            guard let inode = try? inodes.inode(open.inode), restoreOpenFile(of: inode, open.passesThrough)
            else {
                lost += 1
                continue
            }
        }
        if lost > 0 {
            logger.error(
                "\(lost) open files on the mount cannot be found again: programs that use them get errors, and must open them again"
            )
        }
        for file in kept where !file.isInUse { keeper?.drop(file) }
    }

    /// Files beside a database that was dropped are no longer a database's; the daemon before may have died before it said so.
    private func finishDrops() {
        guard store.isPrimary else { return }
        for database in store.databases where database.file(.database) == nil {
            do throws(Errno) {
                try releaseSidecars(of: database, isGone: false)
            } catch {
                logger.warning(
                    "database \"\(database.name)\": what lay beside it when it was dropped stays: \(error)"
                )
            }
        }
    }

    /// Finds out what an inode is now.
    ///
    /// An open database that this node no longer writes, and that its programs take for one with a rollback journal, is lost to them: they
    /// would read pages in the middle of a change, or for ever the same ones. They get errors, and open it again.
    private func identify(_ inode: Inode, _ kept: [UInt64: BackingFile]) {
        let (place, identity) = inode.withState { ($0.place, $0.slot?.identity ?? 0) }
        if let place, case .database(let database, .database, _) = try? resolve(place, isOwn: true),
            identity != 0, database.mustBeReopened
        {
            inodes.replaced(place)
            inode.withState { $0.kind = .local(nil) }
            return replacedInodes.withLock { $0.append((inode.number, place.name)) }
        }
        if let place, let kind = try? resolve(place, isOwn: true), isSame(kind, place, identity) {
            inode.withState { $0.kind = kind }
            return
        }
        inodes.lost(inode)
        if let file = kept[identity] { inode.withState { $0.kind = .local(file) } }
    }

    /// Whether a name still stands for the file that was opened under it.
    private func isSame(_ kind: InodeKind, _ place: Inode.Place, _ identity: UInt64) -> Bool {
        guard identity != 0 else { return true }
        switch kind {
        case .database(_, _, let file): return file.identity == identity
        case .local:
            guard let path = try? localPath(place) else { return false }
            return (try? Files.status(path))?.inode == identity
        case .folder, .statusFolder, .symbolicLink, .special: return false
        }
    }

    private func restoreOpenFile(of inode: Inode, _ passesThrough: Bool) -> Bool {
        switch inode.kind {
        case .database(let database, let kind, let file):
            file.restored(passesThrough: passesThrough)
            if kind == .wal, passesThrough { database.followLog(file) }
            return true
        case .local:
            guard let file = try? openLocal(inode) else { return false }
            inode.withState { state in
                if case .local(nil) = state.kind { state.kind = .local(file) }
                state.kind.backing?.restored(passesThrough: passesThrough)
            }
            return true
        case .special, .folder, .statusFolder: return true
        case .symbolicLink: return false
        }
    }
}

extension BackingFile {
    /// Whether the file has these bytes at an offset.
    func contains(_ bytes: UnsafeRawBufferPointer, at offset: Int64) -> Bool {
        let buffer = Buffer(count: bytes.count)
        guard (try? descriptor.read(into: buffer.bytes, at: offset)) == bytes.count else { return false }
        return buffer.bytes.elementsEqual(bytes)
    }
}
