import CLZ4

/// Reads one LZ4 frame of any legal kind from pieces cut anywhere.
///
/// Its context is created with the first frame and used for all that follow. It holds two blocks at most,
/// which the format limits to 4 MiB each.
struct FrameDecompressor: ~Copyable {
    /// What one step did.
    struct Step {
        /// How many bytes were written.
        let produced: Int
        /// Whether the frame, with its content checksum if it has one, ended.
        let isFrameEnd: Bool
    }

    private var context: OpaquePointer?

    deinit {
        LZ4F_freeDecompressionContext(context)
    }

    /// Begins a frame, whether or not the one before was ended.
    mutating func begin() throws(LTXError) {
        if context == nil {
            try check(LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION)), offset: 0)
        }
        LZ4F_resetDecompressionContext(context)
    }

    /// Decompresses from the front of `input`, which it shortens, to `output`.
    ///
    /// If `output` was filled there may be more even without input. `offset` is that of `input` in the file.
    mutating func step(
        _ input: inout UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer,
        offset: UInt64
    ) throws(LTXError) -> Step {
        var produced = output.count
        var consumed = input.count
        let hint = LZ4F_decompress(context, output.baseAddress, &produced, input.baseAddress, &consumed, nil)
        try check(hint, offset: offset)
        guard input.isEmpty || consumed > 0 || produced > 0 else {
            throw .decompressionFailed("no progress", offset: offset)
        }
        _ = input.removePrefix(consumed)
        return Step(produced: produced, isFrameEnd: hint == 0)
    }

    private func check(_ result: Int, offset: UInt64) throws(LTXError) {
        guard LZ4F_isError(result) == 0 else {
            throw .decompressionFailed(String(cString: LZ4F_getErrorName(result)), offset: offset)
        }
    }
}
