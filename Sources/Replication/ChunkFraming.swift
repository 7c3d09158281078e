/// How an LTX file of unknown length is cut into chunks.
public enum ChunkFraming {
    /// Bytes before the content of a chunk: its length.
    public static let headerByteCount = 2
    /// The longest content of a chunk, in bytes.
    public static let maximumByteCount = 65_535

    static let endMark: UInt16 = 0

    /// Makes one chunk at the start of `buffer`, which must have room for one byte of content.
    ///
    /// - Parameters:
    ///   - buffer: Where the chunk goes.
    ///   - content: Writes the content to the memory it gets, and returns how much it wrote; 0 when there is no more.
    /// - Returns: How many bytes of `buffer` the chunk takes; 0 when there was no content.
    /// - Throws: What `content` throws.
    public static func write(
        into buffer: UnsafeMutableRawBufferPointer,
        _ content: (UnsafeMutableRawBufferPointer) throws -> Int
    ) rethrows -> Int {
        precondition(buffer.count > headerByteCount, "no room for a chunk")
        let end = min(buffer.count, headerByteCount + maximumByteCount)
        let count = try content(UnsafeMutableRawBufferPointer(rebasing: buffer[headerByteCount..<end]))
        guard count > 0 else { return 0 }
        buffer.storeBytes(of: UInt16(count).bigEndian, as: UInt16.self)
        return headerByteCount + count
    }
}
