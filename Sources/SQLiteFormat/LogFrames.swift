/// The pages of the committed frames of a log, in the order of their commits.
///
/// In WAL mode these are the frames of `-wal`. In wal2 mode the frames of the other file come first, as long as that was not
/// begun anew: a checkpoint that has copied them changes nothing, because it wrote the same pages to the database file.
public struct LogFrames: Equatable, Sendable {
    /// The page of each frame of the file that was written before `file`; frame 1 is at index 0.
    public private(set) var older: [UInt32]
    /// The page of each frame of `file`; frame 1 is at index 0.
    public private(set) var newest: [UInt32]
    /// The file to which the log is written.
    public private(set) var file: WALFile

    /// No frames: a log that begins with `-wal`.
    public init() {
        self.init(newest: [])
    }

    /// Joins the frames of both files.
    public init(older: [UInt32] = [], newest: [UInt32], file: WALFile = .wal) {
        self.older = older
        self.newest = newest
        self.file = file
    }

    /// The number of frames.
    public var count: Int { older.count + newest.count }

    /// Whether there is no frame.
    public var isEmpty: Bool { older.isEmpty && newest.isEmpty }

    /// The pages of all frames, the oldest first.
    public var pages: [UInt32] { older.isEmpty ? newest : older + newest }

    /// The frames of one file; none of a file that is neither written nor the one before.
    public subscript(file: WALFile) -> [UInt32] { file == self.file ? newest : older }

    /// Visits each frame, the oldest first.
    public func visit(_ body: (_ page: UInt32, _ place: FramePlace) -> Void) {
        for (index, page) in older.enumerated() { body(page, FramePlace(UInt32(index + 1), in: file.other)) }
        for (index, page) in newest.enumerated() { body(page, FramePlace(UInt32(index + 1), in: file)) }
    }

    /// The oldest frames, so many of them, or all if there are fewer.
    public func prefix(_ count: Int) -> LogFrames {
        LogFrames(
            older: Array(older.prefix(count)),
            newest: Array(newest.prefix(max(0, count - older.count))),
            file: file
        )
    }

    /// Where a frame lies.
    ///
    /// - Parameter number: its number among all frames, 1 to `count`.
    /// - Returns: its place; that of a frame that does not exist if there is none of this number.
    public func place(ofFrame number: Int) -> FramePlace {
        number <= older.count
            ? FramePlace(UInt32(number), in: file.other) : FramePlace(UInt32(number - older.count), in: file)
    }

    /// The pages of the frames after the first ones.
    public func pages(after count: Int) -> ArraySlice<UInt32> { pages.dropFirst(count) }

    /// Adds frames to the file that is written.
    public mutating func append(contentsOf pages: [UInt32]) {
        newest += pages
    }

    /// Notes that a file begins anew, or is gone: the frames that it had are forgotten.
    public mutating func end(_ file: WALFile) {
        if file == self.file {
            newest.removeAll(keepingCapacity: newest.count < 1 << 20)
        } else {
            older.removeAll(keepingCapacity: older.count < 1 << 20)
        }
    }

    /// Notes that the log goes on in a file, from its first frame on.
    public mutating func goOn(in file: WALFile) {
        guard file != self.file else { return }
        self.file = file
        swap(&older, &newest)
        newest.removeAll(keepingCapacity: true)
    }
}
