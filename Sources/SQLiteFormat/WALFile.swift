/// A file of a write-ahead log: in WAL mode there is `-wal` alone; in wal2 mode the log goes on in one file when the other is long.
public enum WALFile: UInt8, Hashable, Sendable, CaseIterable {
    /// `-wal`, the first one.
    case wal = 0
    /// `-wal2`, which only wal2 has.
    case wal2 = 1

    /// The file in which the log goes on, and came from.
    public var other: WALFile { self == .wal ? .wal2 : .wal }

    /// What is appended to the database's name.
    public var suffix: String { self == .wal ? "-wal" : "-wal2" }
}

/// Where a frame lies: a file of the log, and the frame's number there.
///
/// As wide as a frame number. The topmost bit says which file; no log has so many frames that it needs the bit.
public struct FramePlace: RawRepresentable, Hashable, Sendable, ExpressibleByIntegerLiteral {
    /// The number of the frame, and the file in the topmost bit, as in the wal-index of wal2 (`mxFrame2`).
    public let rawValue: UInt32

    /// The largest number that a frame can have.
    public static let lastFrame: UInt32 = 0x7fff_ffff

    /// Takes the number as it is stored.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// A frame of a file.
    ///
    /// - Parameters:
    ///   - frame: its number, 1 to `lastFrame`; a larger one is a programmer's mistake.
    ///   - file: the file.
    public init(_ frame: UInt32, in file: WALFile) {
        precondition(frame <= Self.lastFrame, "a log has less than 2^31 frames")
        rawValue = frame | UInt32(file.rawValue) << 31
    }

    /// A frame of `-wal`.
    public init(integerLiteral frame: UInt32) {
        self.init(frame, in: .wal)
    }

    /// The file.
    public var file: WALFile { rawValue >> 31 == 0 ? .wal : .wal2 }

    /// The number of the frame in its file, counted from 1.
    public var frame: UInt32 { rawValue & Self.lastFrame }

    /// The offset in its file, in bytes, of the page in the frame.
    public func pageOffset(_ pageSize: PageSize) -> Int64 {
        WALFrames.pageOffset(ofFrame: frame, pageSize: pageSize)
    }
}
