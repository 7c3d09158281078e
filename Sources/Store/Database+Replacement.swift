import Capture
import Faults
import Logging
import POSIX

// Another file takes the place of a database's own: a rename onto it.
//
// The old content is the old file under its log, the new content is the new file alone. A log that kept its name would be applied to
// the new file by whoever opens that next, and so would a journal. The steps, and what is on disk before each of them:
//
//   1  the new file becomes `database.new`      from here on the new content counts: the next start does the rest
//   2  the files beside the old one step aside  step 1
//   3  `database.new` becomes `database`        step 2
//   4  empty files get the names of those that stepped aside, which go
//
// Programs that have the old files open keep them, as with any removed file.
extension DatabaseFileKind {
    /// Those that lie beside a database file and mean nothing without it.
    public static let sidecars = allCases.filter { $0 != .database }
}

extension Database {
    private static let replacementSuffix = ".new"
    private static let asideSuffix = ".replaced"

    private var replacementPath: String { path(.database) + Self.replacementSuffix }

    /// Puts the file at `localPath` in the place of the database's own, and nothing of that stays.
    ///
    /// Invariant: whenever the daemon dies, the next start finds the old file with all that belongs to it, or the new one with nothing
    /// of it. What somebody moved here for the new file stays (`movedIn`): it came before its database.
    ///
    /// Call with `monitor` held and the queue empty. When it throws, nothing happened.
    func replaceFile(by localPath: String) throws(Errno) {
        try FaultPoint.namesAdopt.pass()
        keepFilesInUse()
        let old = DatabaseFileKind.sidecars.filter { files[$0] != nil }
        if old.isEmpty || old.contains(where: { movedIn[$0] === files[$0] }) {
            return try Files.rename(localPath, path(.database))
        }
        try Files.rename(localPath, replacementPath)
        var aside: [DatabaseFileKind] = []
        do throws(Errno) {
            try FaultPoint.namesReplaceSync.pass()
            try Files.synchronizeDirectory(directory)
            for kind in old {
                try FaultPoint.namesReplaceAside.pass()
                try Files.rename(path(kind), path(kind) + Self.asideSuffix)
                aside.append(kind)
            }
            try Files.synchronizeDirectory(directory)
            try FaultPoint.namesReplaceRename.pass()
            try Files.rename(replacementPath, path(.database))
        } catch {
            for kind in aside { try? Files.rename(path(kind) + Self.asideSuffix, path(kind)) }
            try? Files.rename(replacementPath, localPath)
            throw error
        }
        for kind in old { renew(kind) }
        forgetContent()
    }

    /// Has files that programs use, and that are about to lose their names, kept for the process that goes on with the mount.
    ///
    /// Call with `monitor` held.
    func keepFilesInUse() {
        guard let keeper = context.keeper else { return }
        for kind in DatabaseFileKind.allCases {
            if let file = files[kind], file.isInUse { keeper.keep(file) }
        }
    }

    /// Gives the name of a file that stepped aside to an empty one, which says nothing about the new content.
    ///
    /// The name stays, because a rename takes no other names away.
    private func renew(_ kind: DatabaseFileKind) {
        try? FaultPoint.namesReplaceUnlink.pass()
        try? Files.unlink(path(kind) + Self.asideSuffix)
        files[kind] = try? BackingFile.open(path(kind), [.readWrite, .create, .truncate])
    }

    /// Nothing is known any more of what log and journal say.
    private func forgetContent() {
        logs.end()
        walPages.removeAll()
        logOnly.removeAll()
        suspect.removeAll()
        journal = JournalState()
        movedIn = [:]
    }

    /// Does what was left of a replacement when the daemon died.
    ///
    /// Call before anything of the database is read.
    func finishReplacement() throws(Errno) {
        if Files.exists(replacementPath) {
            for kind in DatabaseFileKind.sidecars { try Files.unlink(path(kind), ifExists: true) }
            try Files.synchronizeDirectory(directory)
            try FaultPoint.recoveryReplacementRename.pass()
            try Files.rename(replacementPath, path(.database))
            context.logger.info(
                "database \"\(name)\": another file had just taken its place; it is the database now"
            )
        }
        for kind in DatabaseFileKind.sidecars {
            try Files.unlink(path(kind) + Self.asideSuffix, ifExists: true)
        }
    }

    /// Removes what lies beside a database file that was removed, if the daemon died before it was given up.
    ///
    /// A new database of this name would find it. A file that is missing against the records may be restored, and then needs it.
    public func discardLeftovers() {
        locked {
            guard files.database == nil, position.txid != .zero,
                position.postApply == PageChecksumTable().databaseChecksum
            else { return }
            for kind in DatabaseFileKind.sidecars where files[kind] != nil {
                try? Files.unlink(path(kind), ifExists: true)
                files[kind] = nil
            }
            forgetContent()
        }
    }

    /// Notes that a program opened one of the files: what was moved beside the database is the database's now.
    public func noteOpened() {
        if hasMovedIn.load(ordering: .acquiring) { locked { movedIn = [:] } }
    }
}
