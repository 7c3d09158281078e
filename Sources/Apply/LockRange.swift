import POSIX
import SQLiteFormat

/// A range of lock bytes, and the way in which the daemon takes it.
struct LockRange {
    /// As SQLite names it.
    let name: String
    let kind: FileDescriptor.ByteLock
    let start: Int64
    let length: Int64

    private init(_ name: String, _ kind: FileDescriptor.ByteLock, _ start: Int64, _ length: Int64 = 1) {
        self.name = name
        self.kind = kind
        self.start = start
        self.length = length
    }

    /// On the database file: it is in use, so nobody may remove its log.
    static let shared = LockRange("SHARED", .shared, LockBytes.shared, LockBytes.sharedCount)

    /// On the database file: nobody else uses it.
    static let exclusive = LockRange("EXCLUSIVE", .exclusive, LockBytes.shared, LockBytes.sharedCount)

    /// On the wal-index: nobody else has it open.
    static let aloneWithIndex = LockRange("DMS", .exclusive, LockBytes.WALIndex.deadManSwitch)

    /// On the wal-index: it is in use, so nobody may empty it.
    static let deadManSwitch = LockRange("DMS", .shared, LockBytes.WALIndex.deadManSwitch)

    /// For appending frames.
    static let write = LockRange("WRITE", .exclusive, LockBytes.WALIndex.write)

    /// For copying frames to the database file.
    static let checkpoint = LockRange("CHECKPOINT", .exclusive, LockBytes.WALIndex.checkpoint)

    /// The read marks of all readers that use the log.
    static let readersOfLog = LockRange(
        "READ1 to READ4",
        .exclusive,
        LockBytes.WALIndex.read(1),
        Int64(LockBytes.WALIndex.readCount) - 1
    )

    /// For changing a read mark, 0 to 4; of mark 0: for writing to the database file.
    static func read(_ mark: Int) -> LockRange {
        LockRange("READ\(mark)", .exclusive, LockBytes.WALIndex.read(mark))
    }

    /// wal2: all readers but those that need nothing of a file's other one, so that the log may go on there.
    static func readersKeeping(from file: WALFile) -> LockRange {
        file == .wal
            ? LockRange(
                "PART1_FULL2 to PART2",
                .exclusive,
                LockBytes.WALIndex.reader(of: .wal, needsOther: true),
                3
            )
            : LockRange(
                "PART1 to PART2_FULL1",
                .exclusive,
                LockBytes.WALIndex.reader(of: .wal, needsOther: false),
                3
            )
    }

    /// wal2: all readers that began while a file was written, so that it may be copied to the database file.
    static func readers(of file: WALFile) -> LockRange {
        file == .wal
            ? LockRange(
                "PART1 and PART1_FULL2",
                .exclusive,
                LockBytes.WALIndex.reader(of: .wal, needsOther: false),
                2
            )
            : LockRange(
                "PART2_FULL1 and PART2",
                .exclusive,
                LockBytes.WALIndex.reader(of: .wal2, needsOther: true),
                2
            )
    }
}
