import SQLiteFormat

/// Writes LTX files to memory, one after the other.
///
/// For each file: `begin`, `append` for each page in ascending order, `finish`. The bytes gather in `output`,
/// which the caller may write out and clear after any call, so that memory stays bounded, or take as a whole at
/// the end. Memory and LZ4 context are used again for the next file. An encoder belongs to one thread at a time.
///
/// After an error the file is given up: only `begin` may follow.
public final class LTXEncoder {
    /// How much memory for output is kept when it is cleared, in bytes; what is more is given back.
    public static let retainedOutputCapacity = 4 << 20

    private var buffer = ByteBuffer()
    private var compressor: FrameCompressor
    private var sequence: PageSequence?
    private var crc: UInt64 = 0

    /// Creates an encoder without a file.
    ///
    /// - Parameter hasFrameChecksums: whether LZ4 frames end with a checksum of their own, as LiteFS writes them. Readers take frames without;
    ///   of a whole database it is a good part of the time.
    public init(hasFrameChecksums: Bool = true) {
        compressor = FrameCompressor(hasChecksum: hasFrameChecksums)
    }

    /// The bytes of the file that were not cleared yet; valid until the next call that changes the encoder.
    public var output: UnsafeRawBufferPointer {
        buffer.bytes
    }

    /// Forgets the bytes in `output`, which the caller has taken.
    public func clearOutput() {
        buffer.removeAll(retaining: Self.retainedOutputCapacity)
    }

    /// Begins a file with its header, and forgets any other file and output.
    ///
    /// - Parameter header: The header; `isCompressed` decides on LZ4.
    /// - Throws: What is wrong with the header.
    public func begin(header: LTXHeader) throws(LTXError) {
        sequence = nil
        clearOutput()
        try header.validate()
        let free = buffer.free(minimum: LTXHeader.byteCount)
        header.encode(into: free)
        buffer.commit(LTXHeader.byteCount)
        crc = crc64(0, buffer.bytes)
        if header.isCompressed { try compressor.begin(into: &buffer) }
        sequence = PageSequence(header: header)
    }

    /// Appends the next page.
    ///
    /// - Parameters:
    ///   - page: Its number: higher than the one before, not above `commit`, not the lock page, and in a snapshot
    ///     without a gap.
    ///   - data: All bytes of the page. Not kept.
    /// - Throws: Which of these rules the page breaks; `notBegun` outside a file.
    public func append(page: PageNumber, data: UnsafeRawBufferPointer) throws(LTXError) {
        guard var sequence else { throw .notBegun }
        self.sequence = nil
        try sequence.advance(to: page)
        let expected = sequence.header.pageSize.bytes
        guard data.count == expected else {
            throw .badPageLength(page, actual: data.count, expected: expected)
        }
        try write(page.rawValue.bigEndian, isCompressed: sequence.header.isCompressed)
        try write(data, isCompressed: sequence.header.isCompressed)
        self.sequence = sequence
    }

    /// Ends the file.
    ///
    /// - Parameter postApply: The checksum of the database after the last transaction. It is not compared with
    ///   the pages, not even in a snapshot; the decoder does that.
    /// - Returns: The trailer that was written.
    /// - Throws: `snapshotEndsEarly`, what is wrong with `postApply`, or `notBegun` outside a file.
    public func finish(postApply: Checksum) throws(LTXError) -> LTXTrailer {
        guard let sequence else { throw .notBegun }
        self.sequence = nil
        try sequence.end()
        try LTXTrailer.validate(postApply: postApply, commit: sequence.header.commit)
        try write(UInt32(0), isCompressed: sequence.header.isCompressed)
        if sequence.header.isCompressed { try compressor.end(into: &buffer) }
        let trailer = LTXTrailer(postApply: postApply, crcBefore: crc)
        trailer.encode(into: buffer.free(minimum: LTXTrailer.byteCount))
        buffer.commit(LTXTrailer.byteCount)
        return trailer
    }

    private func write(_ number: UInt32, isCompressed: Bool) throws(LTXError) {
        try withUnsafeBytes(of: number) { bytes throws(LTXError) in
            try write(bytes, isCompressed: isCompressed)
        }
    }

    /// Writes a piece of the page block.
    private func write(_ content: UnsafeRawBufferPointer, isCompressed: Bool) throws(LTXError) {
        crc = crc64(crc, content)
        if isCompressed {
            try compressor.update(content, into: &buffer)
        } else {
            buffer.append(content)
        }
    }
}
