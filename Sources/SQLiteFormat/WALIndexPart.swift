/// Which regions of a wal-index belong together: all of them, or, in wal2 mode, those of one of the two files.
///
/// With wal2 regions 0, 2, 4, … index `-wal`, and regions 1, 3, 5, … index `-wal2`. Only region 0 has headers, so only the first region
/// of `-wal` is shorter than the others.
public enum WALIndexPart: Hashable, Sendable {
    /// The index of a log of one file.
    case whole
    /// The regions of one file of wal2.
    case file(WALFile)

    /// The number of frames that the first of its regions indexes.
    var framesInFirst: Int {
        self == .file(.wal2) ? WALIndex.framesPerRegion : WALIndex.framesInFirstRegion
    }

    /// The number, among the regions of this part, of the one that indexes a frame.
    public func position(ofFrame frame: UInt32) -> Int {
        (max(Int(frame), 1) - 1 + WALIndex.framesPerRegion - framesInFirst) / WALIndex.framesPerRegion
    }

    /// The region at a position among those of this part.
    public func region(at position: Int) -> Int {
        switch self {
        case .whole: position
        case .file(let file): 2 * position + Int(file.rawValue)
        }
    }

    /// The number of frames in the regions of this part before a position.
    func base(at position: Int) -> Int {
        position == 0 ? 0 : framesInFirst + (position - 1) * WALIndex.framesPerRegion
    }

    /// The region that indexes a frame.
    ///
    /// - Parameter frame: 1 or more; 0 counts as 1.
    /// - Returns: the index in `WALIndex.regions`.
    public func regionIndex(ofFrame frame: UInt32) -> Int { region(at: position(ofFrame: frame)) }

    /// The place of a frame's page number in the index.
    ///
    /// - Parameter frame: 1 or more; 0 counts as 1.
    /// - Returns: the offset in bytes.
    public func entryOffset(ofFrame frame: UInt32) -> Int {
        let position = position(ofFrame: frame)
        let region = region(at: position)
        let place = max(Int(frame), 1) - 1 - base(at: position)
        return region * WALIndex.regionSize + (region == 0 ? WALIndex.prefixSize : 0) + 4 * place
    }

    /// The number of regions that an index has in which frames up to a number have entries.
    ///
    /// At least 1, and 2 for `-wal2`.
    public func regionCount(forFrames count: UInt32) -> Int { regionIndex(ofFrame: count) + 1 }
}
