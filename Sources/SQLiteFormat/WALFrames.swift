/// Where frames lie in a write-ahead log.
///
/// Frames are counted from 1. Frame `n` starts at `32 + (n - 1) * (24 + page size)`: its header, then the page.
public enum WALFrames {
    /// The number of bytes of a frame, header and page.
    public static func frameSize(_ pageSize: PageSize) -> Int {
        WALFrameHeader.size + pageSize.bytes
    }

    /// The offset in the log, in bytes, of a frame's header.
    ///
    /// - Parameters:
    ///   - frame: 1 or more; 0 is a programmer's mistake.
    ///   - pageSize: the page size of the log.
    /// - Returns: 32 or more; for the frame after the last one, the size of the log.
    public static func offset(ofFrame frame: UInt32, pageSize: PageSize) -> Int64 {
        precondition(frame > 0, "frames are counted from 1")
        return Int64(WALHeader.size) + (Int64(frame) - 1) * Int64(frameSize(pageSize))
    }

    /// The offset in the log, in bytes, of the page in a frame.
    ///
    /// - Parameters:
    ///   - frame: 1 or more; 0 is a programmer's mistake.
    ///   - pageSize: the page size of the log.
    /// - Returns: 56 or more.
    public static func pageOffset(ofFrame frame: UInt32, pageSize: PageSize) -> Int64 {
        offset(ofFrame: frame, pageSize: pageSize) + Int64(WALFrameHeader.size)
    }

    /// The frame that a byte of the log belongs to, and the byte's place in it.
    ///
    /// - Parameters:
    ///   - offset: an offset in the log, in bytes.
    ///   - pageSize: the page size of the log.
    /// - Returns: nothing for an offset in the log's header, before it, or in frames that no 32-bit number counts.
    ///   `byte` is 0 to 23 in the frame's header, and 24 or more in its page.
    public static func frame(
        atOffset offset: Int64,
        pageSize: PageSize
    ) -> (frame: UInt32, byte: Int)? {
        guard offset >= Int64(WALHeader.size) else { return nil }
        let (index, byte) = (offset - Int64(WALHeader.size))
            .quotientAndRemainder(dividingBy: Int64(frameSize(pageSize)))
        guard let frame = UInt32(exactly: index + 1) else { return nil }
        return (frame, Int(byte))
    }

    /// The number of whole frames in a log.
    ///
    /// - Parameters:
    ///   - fileSize: the size of the log in bytes.
    ///   - pageSize: the page size of the log.
    /// - Returns: 0 for a log without a whole frame.
    public static func count(fileSize: Int64, pageSize: PageSize) -> UInt32 {
        let content = max(fileSize, Int64(WALHeader.size)) - Int64(WALHeader.size)
        return UInt32(clamping: content / Int64(frameSize(pageSize)))
    }
}
