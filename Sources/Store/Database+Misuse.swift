import POSIX
import SQLiteFormat

/// What is known of programs that do with a database what does not go together with its replication.
///
/// Guarded by the database's `monitor`.
struct MisuseState {
    /// What was said already.
    var said: Set<Misuse> = []
    /// The position at the last look.
    var position: UInt64 = 0
    /// What zero-cache's tables said then.
    var stateVersion: String?
    var changeLog: Int64?
    /// Looks at which the state had moved on and the change log had not.
    var silentLooks = 0
}

/// A use of a database that does not go together with its replication.
enum Misuse: Hashable, Sendable {
    /// zero-cache maintains it for a backup, without the change log that its view-syncers read.
    case backupReplica
    /// litestream works on it.
    case litestream

    func text(_ name: DatabaseName) -> String {
        switch self {
        case .backupReplica:
            "database \"\(name)\": zero-cache maintains it in backup mode: _zero.replicationState moves on and _zero.changeLog2 "
                + "does not, so view-syncers that read a replica show stale rows without an error; run pod-0 without "
                + "ZERO_LITESTREAM_BACKUP_URL, so that its serving replicator writes this file"
        case .litestream:
            "database \"\(name)\": litestream works on it, too: its read lock keeps the log from beginning anew and its restores "
                + "replace the file; turn it off, and back up with \"litefs export\""
        }
    }
}

extension Database {
    /// Looks misleading only when it goes on: so often.
    private static let silentLooks = 4
    /// Tables of litestream's own.
    private static let litestreamTables = ["_litestream_seq", "_litestream_lock"]

    /// Looks for misuse, and says which was found for the first time.
    func newMisuse() -> [Misuse] {
        let folder = context.options.dataDirectory + "/local/." + name.text + "-litestream"
        let hasFolder = Files.exists(folder)
        return locked {
            var found: Set<Misuse> = []
            guard isShown, files.database != nil else { return [] }
            if hasFolder { found.insert(.litestream) }
            if position.txid.rawValue != misuse.position { found.formUnion(misuseInPages()) }
            found.subtract(misuse.said)
            misuse.said.formUnion(found)
            return Array(found)
        }
    }

    /// Looks into the committed pages.
    private func misuseInPages() -> Set<Misuse> {
        // In the middle of a transaction the database file is not what is committed.
        guard let pageSize = table.pageSize, !journal.isActive, !isTableUnknown, !needsReconcile else {
            return []
        }
        misuse.position = position.txid.rawValue
        let reader = logicalReader(pageSize)
        let tree = TableTree(pageSize: pageSize) { reader.read($0, into: $1) }
        let tables = tree.tables()
        var found: Set<Misuse> = []
        if Self.litestreamTables.contains(where: { tables[$0] != nil }) { found.insert(.litestream) }
        guard let state = tables["_zero.replicationState"], let changeLog = tables["_zero.changeLog2"],
            versionBytes.read == JournalMode.wal.versionByte,
            let version = tree.rows(of: state, columns: 4).first?.texts.first
        else { return found }
        let last = tree.lastRowID(of: changeLog)
        if last != misuse.changeLog {
            misuse.silentLooks = 0
        } else if let before = misuse.stateVersion, before != version {
            misuse.silentLooks += 1
        }
        (misuse.stateVersion, misuse.changeLog) = (version, last)
        if misuse.silentLooks >= Self.silentLooks { found.insert(.backupReplica) }
        return found
    }
}
