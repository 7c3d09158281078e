import CShims
import Glibc
import POSIX

/// A place in the code at which a test can kill the process or let an operation fail.
///
/// It stands before the operation that it is named after, unless it says otherwise.
public enum FaultPoint: String, CaseIterable, Sendable {
    // Files of a database on the mount.
    case fileCreate = "file.create"
    case databaseWrite = "database.write"
    case databaseTruncate = "database.truncate"
    case databaseSync = "database.sync"
    case journalWrite = "journal.write"
    case journalTruncate = "journal.truncate"
    case journalUnlink = "journal.unlink"
    case journalSync = "journal.sync"
    case walWrite = "wal.write"
    case walHeaderWrite = "wal.header.write"
    case walTruncate = "wal.truncate"
    case walUnlink = "wal.unlink"
    case walSync = "wal.sync"
    case shmWrite = "shm.write"
    case shmTruncate = "shm.truncate"
    case shmUnlink = "shm.unlink"

    // A log that programs of an earlier mount still have open.
    case fenceRename = "fence.rename"
    case fenceCopy = "fence.copy"
    case fencePublish = "fence.publish"

    /// A commit in the log is counted, and its writer does not know.
    case commitCaptured = "commit.captured"
    /// A commit of a rollback journal is recorded, and its writer does not know.
    case commitPublished = "commit.published"

    // LTX files.
    case ltxCreate = "ltx.create"
    case ltxWrite = "ltx.write"
    case ltxSync = "ltx.sync"
    case ltxRename = "ltx.rename"
    case ltxFolderSync = "ltx.folder.sync"
    case ltxRemove = "ltx.remove"
    /// The sync of all LTX files before a log goes.
    case ltxLogSync = "ltx.log.sync"
    /// What comes after that sync failed.
    case ltxRewrite = "ltx.rewrite"
    case ltxRewriteSync = "ltx.rewrite.sync"
    case ltxRewriteRename = "ltx.rewrite.rename"

    // Names of databases.
    case namesFolderCreate = "names.folder.create"
    case namesAdopt = "names.adopt.rename"
    // A database's file is replaced by another one.
    case namesReplaceSync = "names.replace.sync"
    case namesReplaceAside = "names.replace.aside"
    case namesReplaceRename = "names.replace.rename"
    case namesReplaceUnlink = "names.replace.unlink"
    case namesRelease = "names.release.rename"
    case namesDropRename = "names.drop.rename"
    case namesDropUnlink = "names.drop.unlink"
    case namesSync = "names.sync"

    // Files that stay on the node.
    case localCreate = "local.create"
    case localWrite = "local.write"
    case localTruncate = "local.truncate"
    case localSync = "local.sync"
    case localRename = "local.rename"
    case localUnlink = "local.unlink"

    // Pages that are kept for a snapshot.
    case snapshotCreate = "snapshot.create"
    case snapshotWrite = "snapshot.write"

    // Opening a database, and closing it.
    case recoveryChecksumsUnlink = "recovery.checksums.unlink"
    case recoveryIndexUnlink = "recovery.shm.unlink"
    case recoveryTemporariesUnlink = "recovery.temporaries.unlink"
    case recoveryDamagedRename = "recovery.damaged.rename"
    case recoveryUnfinishedRename = "recovery.unfinished.rename"
    case recoveryReplacementRename = "recovery.replacement.rename"
    case recoveryAsideRename = "recovery.aside.rename"
    case recoveryHeaderWrite = "recovery.header.write"
    case recoveryIndexWrite = "recovery.index.write"
    case recoveryChecksumsSync = "recovery.checksums.folder.sync"
    case checksumsDatabaseSync = "checksums.database.sync"
    case checksumsLogSync = "checksums.wal.sync"
    case checksumsWrite = "checksums.write"
    case checksumsSync = "checksums.sync"
    case checksumsRename = "checksums.rename"
    case checksumsFolderSync = "checksums.folder.sync"
    case clusterIDWrite = "clusterid.write"
    case clusterIDSync = "clusterid.sync"
    case clusterIDRename = "clusterid.rename"
    case clusterIDFolderSync = "clusterid.folder.sync"

    // A replica receives a transaction.
    case receivedCreate = "received.create"
    case receivedWrite = "received.write"
    case receivedRename = "received.rename"
    /// The removal of the files that a snapshot replaces.
    case receivedUnlink = "received.unlink"

    // A replica gets a database's first content.
    case installUnlink = "install.unlink"
    case installCreate = "install.create"
    case installWrite = "install.write"
    case installTruncate = "install.truncate"
    case installSync = "install.sync"
    case installIndexWrite = "install.index.write"
    case installRename = "install.rename"
    /// The database has its name and is not shown yet.
    case installed = "installed"

    /// Before a replica opens a database's files on its mount.
    case applyOpen = "apply.open"

    // A replica applies transactions to its log, and copies the log back.
    case applyFrameWrite = "apply.frame.write"
    case applyHeaderWrite = "apply.header.write"
    case applyHeaderSync = "apply.header.sync"
    case applyRevokeWrite = "apply.revoke.write"
    case applyIndexGrow = "apply.index.grow"
    case applyIndexWrite = "apply.index.write"
    case applyIndexPublish = "apply.index.publish"
    case checkpointLogSync = "checkpoint.log.sync"
    case checkpointLogRewrite = "checkpoint.log.rewrite"
    case checkpointDatabaseWrite = "checkpoint.database.write"
    case checkpointDatabaseTruncate = "checkpoint.database.truncate"
    case checkpointDatabaseSync = "checkpoint.database.sync"
    case checkpointIndexWrite = "checkpoint.index.write"

    /// Passes the point: does what is to happen here.
    ///
    /// - Throws: The error that takes the operation's place.
    @inlinable
    public func pass() throws(Errno) {
        if cshims_faults_are_armed() { try Faults.pass(self) }
    }
}

extension FileDescriptor {
    /// Passes a point and writes.
    @inlinable
    public func write(
        _ bytes: UnsafeRawBufferPointer,
        at offset: Int64,
        passing point: FaultPoint
    ) throws(Errno) {
        if cshims_faults_are_armed() { try Faults.pass(point, writing: bytes, to: self, at: offset) }
        try write(bytes, at: offset)
    }

    /// Passes a point and puts data and needed metadata on disk.
    @inlinable
    public func synchronizeData(passing point: FaultPoint) throws(Errno) {
        try point.pass()
        try synchronizeData()
    }

    /// Passes a point and puts data and all metadata on disk.
    @inlinable
    public func synchronize(passing point: FaultPoint) throws(Errno) {
        try point.pass()
        try synchronize()
    }

    /// Passes a point and sets the size.
    @inlinable
    public func truncate(to size: Int64, passing point: FaultPoint) throws(Errno) {
        try point.pass()
        try truncate(to: size)
    }
}
