/// The version word of a write-ahead log (offset 4) and of its wal-index (offset 0).
///
/// `wal` and `wal2` are implemented. The others belong to SQLite's wal2 branch, too, and are named so that an error can say what
/// was found.
public struct WALVersion: RawRepresentable, Hashable, Sendable {
    /// The word as a number.
    public let rawValue: UInt32

    /// The format of each released SQLite since 3.7.0.
    public static let wal = WALVersion(rawValue: 3_007_000)

    /// Two logs in turn.
    public static let wal2 = WALVersion(rawValue: 3_021_000)

    /// wal2 with large hash tables in the wal-index.
    public static let wal2LargeHash = WALVersion(rawValue: 3_021_001)

    /// wal2 with checksums over frame headers only.
    public static let wal2HeaderChecksums = WALVersion(rawValue: 3_048_000)

    /// wal2 with large hash tables, and checksums over frame headers only.
    public static let wal2LargeHashHeaderChecksums = WALVersion(rawValue: 3_048_001)

    /// Whether this project reads and writes logs of this version.
    public var isImplemented: Bool { self == .wal || self == .wal2 }

    /// Creates a version from the word in a file.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}
