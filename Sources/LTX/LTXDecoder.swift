import SQLiteFormat

/// Reads LTX files from bytes that come cut anywhere, one file after the other.
///
/// For each file: `begin`, `feed` for each piece, `finish`. Memory does not grow with the file; it and the LZ4
/// context are used again for the next one. A decoder belongs to one thread at a time.
///
/// After an error, its own or the handler's, the file is given up: only `begin` may follow.
public final class LTXDecoder {
    private enum Stage {
        case idle
        case header
        case pages
        case trailer
        case complete
    }

    private static let pageNumberByteCount = 4
    private static let inflatedByteCount = 65_536

    private var stage = Stage.idle
    private var sequence: PageSequence?
    /// How many bytes of the file came before the next one.
    private var offset: UInt64 = 0
    private var crc: UInt64 = 0
    private var pagesChecksum = Checksum.empty
    private var arePagesComplete = false
    private var isInflatedPending = false

    /// The beginning of a header, page record or trailer whose end did not come yet.
    private var partial = ByteBuffer()
    private var inflated = ByteBuffer()
    private var decompressor = FrameDecompressor()

    /// Creates a decoder without a file.
    public init() {}

    /// Whether a whole file was read and verified.
    public var isComplete: Bool {
        stage == .complete
    }

    /// Begins a file, and forgets any other.
    public func begin() {
        stage = .header
        sequence = nil
        offset = 0
        crc = 0
        pagesChecksum = .empty
        arePagesComplete = false
        isInflatedPending = false
        partial.removeAll()
    }

    /// Reads the next bytes of the file.
    ///
    /// - Parameters:
    ///   - bytes: Any number of bytes. Not kept.
    ///   - handler: Is called for everything that is complete with these bytes. It must not call the decoder.
    /// - Throws: `LTXError` for what is wrong with the file, `bytesAfterTrailer` included, or what the handler
    ///   throws.
    public func feed(_ bytes: UnsafeRawBufferPointer, _ handler: (LTXEvent) throws -> Void) throws {
        guard stage != .idle else { throw LTXError.notBegun }
        var input = bytes
        var next = stage
        stage = .idle
        while !input.isEmpty || isInflatedPending {
            let before = input.count
            next = try step(next, &input, handler)
            offset += UInt64(before - input.count)
        }
        stage = next
    }

    /// Ends the file.
    ///
    /// - Throws: `truncated` if its trailer did not come; `notBegun` outside a file.
    public func finish() throws(LTXError) {
        let ended = stage
        stage = ended == .complete ? .complete : .idle
        guard ended != .idle else { throw .notBegun }
        guard ended == .complete else { throw .truncated(offset: offset) }
    }

    /// Reads a whole file from memory: `begin`, `feed` and `finish` at once.
    public func decode(allOf bytes: UnsafeRawBufferPointer, _ handler: (LTXEvent) throws -> Void) throws {
        begin()
        try feed(bytes, handler)
        try finish()
    }

    private func step(
        _ stage: Stage,
        _ input: inout UnsafeRawBufferPointer,
        _ handler: (LTXEvent) throws -> Void
    ) throws -> Stage {
        switch stage {
        case .idle:
            throw LTXError.notBegun
        case .header:
            guard gather(LTXHeader.byteCount, from: &input) else { return .header }
            try takeHeader(handler)
            return .pages
        case .pages:
            guard let sequence else { throw LTXError.notBegun }
            let isEnd =
                sequence.header.isCompressed ? try inflate(&input, handler) : try takePages(&input, handler)
            return isEnd ? .trailer : .pages
        case .trailer:
            guard gather(LTXTrailer.byteCount, from: &input) else { return .trailer }
            try takeTrailer(handler)
            return .complete
        case .complete:
            throw LTXError.bytesAfterTrailer(offset: offset)
        }
    }

    /// Fills `partial` up to `count` bytes, and tells whether it has them.
    private func gather(_ count: Int, from input: inout UnsafeRawBufferPointer) -> Bool {
        partial.append(input.removePrefix(count - partial.count))
        return partial.count == count
    }

    private func takeHeader(_ handler: (LTXEvent) throws -> Void) throws {
        let header = try LTXHeader(decoding: partial.bytes)
        crc = crc64(0, partial.bytes)
        partial.removeAll()
        sequence = PageSequence(header: header)
        if header.isCompressed { try decompressor.begin() }
        try handler(.header(header))
    }

    /// Decompresses once, and tells whether the page block ended.
    private func inflate(
        _ input: inout UnsafeRawBufferPointer,
        _ handler: (LTXEvent) throws -> Void
    ) throws -> Bool {
        let memory = inflated.free(minimum: Self.inflatedByteCount)
        let step = try decompressor.step(&input, into: memory, offset: offset)
        isInflatedPending = step.produced == memory.count && !step.isFrameEnd
        var content = UnsafeRawBufferPointer(rebasing: memory[..<step.produced])
        if !content.isEmpty && !arePagesComplete { arePagesComplete = try takePages(&content, handler) }
        guard content.isEmpty else { throw LTXError.contentAfterPages }
        guard arePagesComplete || !step.isFrameEnd else { throw LTXError.pageBlockEndsEarly }
        return step.isFrameEnd
    }

    /// Takes page records, and tells whether the end mark came; what is behind it stays in `content`.
    private func takePages(
        _ content: inout UnsafeRawBufferPointer,
        _ handler: (LTXEvent) throws -> Void
    ) throws -> Bool {
        guard let pageBytes = sequence?.header.pageSize.bytes else { throw LTXError.notBegun }
        let recordBytes = Self.pageNumberByteCount + pageBytes
        while !content.isEmpty {
            if partial.isEmpty, content.count >= recordBytes, content.bigEndian(UInt32.self, at: 0) != 0 {
                try takePage(content.removePrefix(recordBytes), handler)
                continue
            }
            if partial.count < Self.pageNumberByteCount {
                guard gather(Self.pageNumberByteCount, from: &content) else { return false }
                if partial.bytes.bigEndian(UInt32.self, at: 0) == 0 {
                    crc = crc64(crc, partial.bytes)
                    partial.removeAll()
                    try sequence?.end()
                    return true
                }
            }
            guard gather(recordBytes, from: &content) else { return false }
            try takePage(partial.bytes, handler)
            partial.removeAll()
        }
        return false
    }

    /// Takes one record: page number and page, which is also what a page checksum is made of.
    private func takePage(
        _ record: UnsafeRawBufferPointer,
        _ handler: (LTXEvent) throws -> Void
    ) throws {
        let page = PageNumber(record.bigEndian(UInt32.self, at: 0))
        try sequence?.advance(to: page)
        crc = crc64(crc, record)
        if sequence?.header.isSnapshot == true {
            pagesChecksum.toggle(Checksum(rawValue: crc64(0, record)))
        }
        try handler(.page(page, UnsafeRawBufferPointer(rebasing: record[Self.pageNumberByteCount...])))
    }

    private func takeTrailer(_ handler: (LTXEvent) throws -> Void) throws {
        guard let header = sequence?.header else { throw LTXError.notBegun }
        let stored = try LTXTrailer(decoding: partial.bytes)
        partial.removeAll()
        try LTXTrailer.validate(postApply: stored.postApply, commit: header.commit)
        let computed = LTXTrailer(postApply: stored.postApply, crcBefore: crc)
        guard stored == computed else {
            throw LTXError.fileChecksumMismatch(
                stored: stored.fileChecksum,
                computed: computed.fileChecksum
            )
        }
        guard !header.isSnapshot || pagesChecksum == stored.postApply else {
            throw LTXError.snapshotChecksumMismatch(postApply: stored.postApply, computed: pagesChecksum)
        }
        try handler(.trailer(stored))
    }
}
