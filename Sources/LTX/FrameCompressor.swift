import CLZ4

/// Writes LZ4 frames as LiteFS does: independent blocks of 64 KiB, a content checksum unless it is not wanted, no content size.
///
/// Its context is created with the first frame and used for all that follow.
struct FrameCompressor: ~Copyable {
    /// The longest piece that `update` takes.
    static let longestPiece = 65_536

    private var context: OpaquePointer?
    private let preferences: LZ4F_preferences_t
    private let bound: Int

    /// - Parameter hasChecksum: whether frames end with a checksum of their content, which a file has of its own anyway.
    init(hasChecksum: Bool) {
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_max64KB
        preferences.frameInfo.blockMode = LZ4F_blockIndependent
        preferences.frameInfo.contentChecksumFlag =
            hasChecksum ? LZ4F_contentChecksumEnabled : LZ4F_noContentChecksum
        preferences.compressionLevel = 0
        self.preferences = preferences
        bound = LZ4F_compressBound(Self.longestPiece, &preferences)
    }

    deinit {
        LZ4F_freeCompressionContext(context)
    }

    /// Begins a frame, whether or not the one before was ended.
    mutating func begin(into output: inout ByteBuffer) throws(LTXError) {
        if context == nil {
            _ = try check(LZ4F_createCompressionContext(&context, UInt32(LZ4F_VERSION)))
        }
        let free = output.free(minimum: Int(LZ4F_HEADER_SIZE_MAX))
        let written = withUnsafePointer(to: preferences) {
            LZ4F_compressBegin(context, free.baseAddress, free.count, $0)
        }
        output.commit(try check(written))
    }

    /// Compresses a piece of the content; most of it shows in the output when a block is full.
    mutating func update(_ piece: UnsafeRawBufferPointer, into output: inout ByteBuffer) throws(LTXError) {
        precondition(piece.count <= Self.longestPiece, "piece longer than an LZ4 block")
        let free = output.free(minimum: bound)
        let written = LZ4F_compressUpdate(
            context,
            free.baseAddress,
            free.count,
            piece.baseAddress,
            piece.count,
            nil
        )
        output.commit(try check(written))
    }

    /// Ends the frame.
    mutating func end(into output: inout ByteBuffer) throws(LTXError) {
        let free = output.free(minimum: bound)
        output.commit(try check(LZ4F_compressEnd(context, free.baseAddress, free.count, nil)))
    }

    private func check(_ result: Int) throws(LTXError) -> Int {
        guard LZ4F_isError(result) == 0 else {
            throw .compressionFailed(String(cString: LZ4F_getErrorName(result)))
        }
        return result
    }
}
