/// How commits reach a database file, as its header says.
///
/// The header has a write version (byte 18) and a read version (byte 19); SQLite sets both to the same value
/// when the mode changes. The rollback modes (`DELETE`, `TRUNCATE`, `PERSIST`, …) cannot be told apart.
public enum JournalMode: UInt8, Sendable {
    /// A rollback journal: versions 1 and 1.
    case rollback = 1
    /// A write-ahead log: versions 2 and 2.
    case wal = 2
    /// Two write-ahead logs in turn: versions 3 and 3, written only by SQLite's wal2 branch.
    case wal2 = 3

    /// Reads the mode as SQLite does: the read version decides, and 0 counts as 1.
    ///
    /// - Returns: nothing for a version above 3, which no SQLite can read.
    public init?(readVersion: UInt8) {
        self.init(rawValue: max(readVersion, 1))
    }

    /// The mode's name: `rollback`, or what `PRAGMA journal_mode` says.
    public var name: String {
        switch self {
        case .rollback: "rollback"
        case .wal: "wal"
        case .wal2: "wal2"
        }
    }

    /// The value of both version bytes for this mode.
    public var versionByte: UInt8 {
        rawValue
    }
}
