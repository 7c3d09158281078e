import CChecksum
import CLZ4
import LTX
import SQLiteFormat

extension FuzzTarget {
    /// The first byte of an input says how much of the file is made right, so that the fuzzer gets behind the checksums:
    /// 0 nothing, 1 the trailer of an uncompressed file, 2 an LZ4 frame of the page block and the trailer.
    static let ltx = FuzzTarget(
        "ltx",
        summary: "LTX files: in one piece and cut, and written again",
        maximumByteCount: 4096,
        seeds: {
            let files = try RealFiles.transactions(limit: 4000)
            let made = [try small(isSnapshot: true), try small(isSnapshot: false)]
            return files.map { [0] + $0 } + made.flatMap { [[1] + $0, [2] + $0] }
        },
        check: { input in
            var input = FuzzInput(input)
            let kind = input.byte() % 3
            var file = Array(input.rest)
            if kind > 0 { file = repaired(file, isCompressed: kind == 2) }
            try file.withUnsafeBytes { try checkTransaction($0) }
        }
    )

    /// A small uncompressed file.
    private static func small(isSnapshot: Bool) throws -> [UInt8] {
        guard let pageSize = PageSize(512) else { return [] }
        let encoder = LTXEncoder()
        let header = LTXHeader(
            isCompressed: false,
            pageSize: pageSize,
            commit: 3,
            minTXID: TXID(isSnapshot ? 1 : 7),
            maxTXID: TXID(9),
            preApply: isSnapshot ? .zero : .empty
        )
        try encoder.begin(header: header)
        var checksum = Checksum.empty
        for page in UInt32(1)...3 {
            let data = [UInt8](repeating: UInt8(page), count: 512)
            try data.withUnsafeBytes {
                try encoder.append(page: PageNumber(page), data: $0)
                checksum.toggle(PageChecksum.compute(PageNumber(page), $0))
            }
        }
        _ = try encoder.finish(postApply: checksum)
        return Array(encoder.output)
    }

    /// The file with a sound frame around its fields: magic, flags, zeros, LZ4 and the file's checksum.
    private static func repaired(_ file: [UInt8], isCompressed: Bool) -> [UInt8] {
        guard file.count >= LTXHeader.byteCount + LTXTrailer.byteCount else { return file }
        var header = Array(file[..<LTXHeader.byteCount])
        header.replaceSubrange(0..<8, with: Array("LTX1".utf8) + [0, 0, 0, isCompressed ? 1 : 0])
        for index in 80..<LTXHeader.byteCount { header[index] = 0 }
        let block = Array(file[LTXHeader.byteCount..<(file.count - LTXTrailer.byteCount)])
        let postApply = Array(file[(file.count - LTXTrailer.byteCount)...].prefix(8))
        let crc = (header + block + postApply)
            .withUnsafeBytes {
                cchecksum_crc64_iso_update(0, $0.baseAddress, $0.count)
            }
        let trailer = withUnsafeBytes(of: (crc | Checksum.flag).bigEndian) { postApply + Array($0) }
        return header + (isCompressed ? lz4(block) : block) + trailer
    }

    private static func lz4(_ block: [UInt8]) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: LZ4F_compressFrameBound(block.count, nil))
        let count = LZ4F_compressFrame(&frame, frame.count, block, block.count, nil)
        return Array(frame.prefix(count))
    }
}

/// What a decoder told: a digest of its events, and how it ended.
private struct Reading: Equatable {
    var header: LTXHeader?
    var trailer: LTXTrailer?
    var pages: [UInt32] = []
    var digest: UInt64 = 0
    var failure: String?

    mutating func take(_ event: LTXEvent) {
        switch event {
        case .header(let value): header = value
        case .trailer(let value): trailer = value
        case .page(let page, let data):
            pages.append(page.rawValue)
            digest = cchecksum_crc64_iso_update(digest &+ UInt64(page.rawValue), data.baseAddress, data.count)
        }
    }

    /// The error without the place where LZ4 noticed it.
    static func text(of error: any Error) -> String {
        if case LTXError.decompressionFailed = error { return "decompression failed" }
        return "\(error)"
    }
}

private func checkTransaction(_ file: UnsafeRawBufferPointer) throws {
    let decoder = LTXDecoder()
    var whole = Reading()
    do { try decoder.decode(allOf: file) { whole.take($0) } } catch {
        whole.failure = Reading.text(of: error)
    }
    try require(
        decoder.isComplete == (whole.failure == nil),
        "complete without the end, or the other way around"
    )
    try require(whole.pages.count * 512 <= file.count * 300, "more pages than bytes can hold")

    var cut = Reading()
    decoder.begin()
    do {
        for piece in Pieces(file) { try decoder.feed(piece) { cut.take($0) } }
        try decoder.finish()
    } catch { cut.failure = Reading.text(of: error) }
    if [whole.failure, cut.failure].contains("decompression failed") {
        // LZ4 refuses a damaged block with all that it has of it: how much came out before depends on the pieces.
        try require(whole.failure != nil && cut.failure != nil, "in one piece \(whole), cut \(cut)")
    } else {
        try require(whole == cut, "in one piece \(whole), cut \(cut)")
    }

    guard whole.failure == nil, let header = whole.header, let trailer = whole.trailer else { return }
    try require(header.fileName.map { LTXFileName("\($0)") } == header.fileName, "the name of the file")
    let encoder = LTXEncoder()
    try encoder.begin(header: header)
    try decoder.decode(allOf: file) { event in
        if case .page(let page, let data) = event { try encoder.append(page: page, data: data) }
    }
    let written = try encoder.finish(postApply: trailer.postApply)
    try require(written == trailer, "the trailer is another one when the file is written again")
    if !header.isCompressed {
        try require(encoder.output.elementsEqual(file), "the file is another one when it is written again")
    }
    var again = Reading()
    try decoder.decode(allOf: encoder.output) { again.take($0) }
    try require(again == whole, "what was written again reads as \(again), not as \(whole)")
}
