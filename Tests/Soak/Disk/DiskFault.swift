import CSQLite
import Faults
import Harness

/// An error that a disk makes for a while.
struct DiskFault {
    let point: FaultPoint
    let action: String
    let first: Int
    let last: Int

    /// The value of `LITEFS_FAULTS`.
    var text: String { "\(point.rawValue)=\(action)@\(first)-\(last)" }

    /// A random one among points.
    init(_ points: [FaultPoint], _ random: inout Seed.Sequence) {
        point = points[Int(random.next() % UInt64(points.count))]
        let actions =
            point.rawValue.hasSuffix("write") ? ["EIO", "ENOSPC", "EDQUOT", "short"] : ["EIO", "ENOSPC"]
        action = actions[Int(random.next() % UInt64(actions.count))]
        first = 1 + Int(random.next() % 6)
        last = first + Int(random.next() % 6)
    }

    /// Where the primary's disk can fail while programs write.
    static let onPrimary: [FaultPoint] = [
        .fileCreate, .databaseWrite, .databaseTruncate, .databaseSync, .journalWrite, .journalTruncate,
        .journalUnlink, .journalSync, .walWrite, .walHeaderWrite, .walTruncate, .walUnlink, .walSync,
        .shmWrite, .shmTruncate, .shmUnlink, .ltxCreate, .ltxWrite, .ltxSync, .ltxRename, .ltxLogSync,
        .namesSync,
    ]

    /// Whether a first reader of a write-ahead log meets the fault itself, as on any disk: it makes `-wal` and `-shm`.
    var keepsReadersOut: Bool { [.fileCreate, .shmWrite, .shmTruncate].contains(point) }

    /// Where the primary's disk can fail while databases come, go and change names.
    static let onNames: [FaultPoint] = [
        .namesFolderCreate, .namesAdopt, .namesRelease, .namesDropRename, .namesDropUnlink, .ltxCreate,
        .ltxWrite, .ltxRename, .ltxFolderSync, .localCreate, .localWrite, .localRename, .localUnlink,
    ]

    /// Where the replica's disk can fail while it receives and applies.
    static let onReplica: [FaultPoint] = [
        .databaseWrite, .databaseTruncate, .databaseSync, .walWrite, .walSync, .shmWrite, .receivedCreate,
        .receivedWrite, .receivedRename, .applyFrameWrite, .applyHeaderWrite, .applyHeaderSync,
        .applyIndexGrow, .applyIndexWrite, .applyIndexPublish, .checkpointLogSync, .checkpointDatabaseWrite,
        .checkpointDatabaseTruncate, .checkpointDatabaseSync, .checkpointIndexWrite, .applyOpen,
    ]

    /// Where the disk of a fresh replica can fail.
    static let onFreshReplica: [FaultPoint] = [
        .clusterIDWrite, .clusterIDSync, .clusterIDRename, .clusterIDFolderSync, .namesFolderCreate,
        .receivedCreate, .receivedWrite, .receivedRename, .receivedUnlink, .installUnlink, .installCreate,
        .installWrite, .installTruncate, .installSync, .installIndexWrite, .installRename, .applyOpen,
    ]

    /// The journal modes in which a point of the primary is passed.
    var modes: [String] {
        switch point {
        case .journalTruncate: ["truncate"]
        case .journalUnlink, .namesSync: ["delete"]
        case .journalWrite, .journalSync: ["delete", "truncate", "persist"]
        case .walWrite, .walHeaderWrite, .walTruncate, .walUnlink, .walSync, .shmWrite, .shmTruncate,
            .shmUnlink, .ltxLogSync:
            ["wal"]
        case .ltxSync, .ltxFolderSync: ["delete", "truncate", "persist", "off"]
        default: ["wal", "delete", "truncate", "persist", "off"]
        }
    }

    /// The codes that SQLite may give for it, which are those of the same error on a local disk: the error of the call that
    /// SQLite made.
    ///
    /// For an LTX file that is the end of the journal, or what waits for the record of a log.
    func codes(_ mode: String) -> Set<Int32> {
        let full = action == "ENOSPC" || action == "short"
        let write = full ? SQLITE_FULL : 10 | 3 << 8
        let (fsync, folderSync, truncate, delete): (Int32, Int32, Int32, Int32) = (
            10 | 4 << 8, 10 | 5 << 8, 10 | 6 << 8, 10 | 10 << 8
        )
        let shmSize: Int32 = 10 | 19 << 8
        return switch point {
        case .fileCreate: [SQLITE_CANTOPEN]
        case .databaseWrite, .journalWrite, .walWrite, .walHeaderWrite: [write]
        case .databaseTruncate, .journalTruncate, .walTruncate: [truncate]
        case .databaseSync, .journalSync, .walSync: [fsync]
        case .journalUnlink, .walUnlink, .shmUnlink: [delete]
        case .shmWrite: [shmSize]
        case .shmTruncate: [10 | 18 << 8, SQLITE_CANTOPEN]
        case .namesSync: [folderSync, fsync]
        case .ltxLogSync: [write, truncate, delete, fsync]
        default:
            switch mode {
            case "delete": [delete, write]
            case "truncate": [truncate, write]
            case "persist": [write]
            case "wal": [write, truncate, delete]
            default: []
            }
        }
    }
}
