/// The bytes that SQLite locks with advisory `fcntl` locks.
///
/// Those of the database file come first; the page that holds them stays unused. Those of the `-shm` file are in
/// `WALIndex`.
public enum LockBytes {
    /// A writer that waits for readers to leave; new readers stop here.
    public static let pending: Int64 = 0x4000_0000

    /// The one connection that intends to write.
    public static let reserved: Int64 = 0x4000_0001

    /// The first byte of the range that readers lock shared, and a writer to the file exclusively.
    public static let shared: Int64 = 0x4000_0002

    /// The number of bytes of the range at `shared`.
    public static let sharedCount: Int64 = 510

    /// The bytes of the `-shm` file that SQLite locks in WAL mode.
    ///
    /// They lie inside the checkpoint information of the wal-index, which stores nothing there.
    public enum WALIndex {
        /// Exclusive while frames are appended, and while the log is restarted.
        public static let write: Int64 = 120

        /// Exclusive while frames are copied to the database.
        public static let checkpoint: Int64 = 121

        /// Exclusive while the wal-index is built from the log; readers probe it shared.
        public static let recover: Int64 = 122

        /// The byte of read mark 0, for readers of the database file alone.
        public static let read0: Int64 = 123

        /// The number of read marks, each with a byte from `read0` on.
        public static let readCount = 5

        /// The dead-man switch: shared as long as the file is open.
        ///
        /// Who gets it exclusively is alone, and truncates the file before use.
        public static let deadManSwitch: Int64 = 128

        /// The byte of a read mark: shared while a reader uses it, exclusive while its value changes.
        ///
        /// - Parameter mark: 0 to 4; anything else is a programmer's mistake.
        /// - Returns: 123 to 127.
        public static func read(_ mark: Int) -> Int64 {
            precondition((0..<readCount).contains(mark), "there are five read marks")
            return read0 + Int64(mark)
        }

        /// wal2: the byte that a reader locks shared.
        ///
        /// - Parameters:
        ///   - file: the file to which the log was written when it began to read.
        ///   - needsOther: whether it also needs frames of the other file.
        /// - Returns: 124 to 127.
        public static func reader(of file: WALFile, needsOther: Bool) -> Int64 {
            switch (file, needsOther) {
            case (.wal, false): 124
            case (.wal, true): 125
            case (.wal2, true): 126
            case (.wal2, false): 127
            }
        }
    }
}
