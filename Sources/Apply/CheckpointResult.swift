import SQLiteFormat

/// What one checkpoint did, and what kept it from doing more.
public struct CheckpointResult: Equatable, Sendable {
    /// Who was in the way of a checkpoint.
    public enum Obstacle: Equatable, Sendable, CustomStringConvertible {
        /// Another process is copying frames.
        case otherCheckpoint
        /// Readers of this mark see the log up to this frame, so that no later one may be copied.
        case readMark(Int, frame: UInt32)
        /// Readers use the database file alone, which therefore must not change.
        case readersOfDatabaseFile
        /// Readers use the log, so that it cannot begin anew.
        case readersOfLog
        /// wal2: readers began while this file was written, so that it may not be copied.
        case readersOf(WALFile)
        /// A writer is at work.
        case writer

        /// For a log line.
        public var description: String {
            switch self {
            case .otherCheckpoint: "another checkpoint"
            case .readMark(let mark, let frame): "a reader of frame \(frame) (READ\(mark))"
            case .readersOfDatabaseFile: "a reader of the database file (READ0)"
            case .readersOfLog: "a reader of the log (READ1 to READ4)"
            case .readersOf(let file): "a reader that began while \(file.suffix) was written"
            case .writer: "a writer (WRITE)"
            }
        }
    }

    /// The number of frames in the log.
    public let frames: UInt32

    /// The number of frames that the database file has now, from the first one on.
    public var backfilled: UInt32

    /// The number of pages that were written to the database file.
    public var pagesWritten: Int

    /// Who was in the way; nothing if all frames could be copied.
    public var obstacle: Obstacle?

    /// Whether the database file has all frames, so that the log can restart as soon as nobody reads from it.
    public var isComplete: Bool {
        backfilled == frames
    }
}
