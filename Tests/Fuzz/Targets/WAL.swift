import SQLiteFormat

extension FuzzTarget {
    static let wal = FuzzTarget(
        "wal",
        summary: "logs: headers, frames, and what of them is committed",
        seeds: { [[0] + (try RealFiles.database(mode: "wal").log.prefix(4000)), [1, 3, 1, 0, 0, 2, 3, 0]] },
        check: { bytes in
            var input = FuzzInput(bytes)
            if input.byte() & 1 == 0 { return try checkLog(input.rest) }
            try LogScript.log(&input).withUnsafeBytes { try checkLog($0) }
        }
    )
}

/// A log whose checksums are right, made of what an input says: page and commit size of each frame.
enum LogScript {
    static func log(_ input: inout FuzzInput) -> [UInt8] {
        guard let pageSize = PageSize(512) else { return [] }
        let header = WALHeader(
            pageSize: pageSize,
            checkpointSequence: 0,
            salt1: UInt32(input.byte()),
            salt2: 2,
            bigEndianChecksums: input.byte() & 1 == 1
        )
        var chain = WALChain(startOf: header)
        var log = [UInt8](repeating: 0, count: WALHeader.size)
        log.withUnsafeMutableBytes { header.encode(into: $0) }
        var head = [UInt8](repeating: 0, count: WALFrameHeader.size)
        while !input.isEmpty, log.count < 16_384 {
            let page = max(1, UInt32(truncatingIfNeeded: input.extreme()))
            let commit = UInt32(truncatingIfNeeded: input.extreme())
            let data = [UInt8](repeating: input.byte(), count: 512)
            data.withUnsafeBytes { data in
                head.withUnsafeMutableBytes {
                    chain.seal(page: PageNumber(page), commitSize: commit, data: data, into: $0)
                }
            }
            log += head + data
        }
        return log
    }
}

private func checkLog(_ log: UnsafeRawBufferPointer) throws {
    if let header = try? WALHeader(log) {
        var again = [UInt8](repeating: 0, count: WALHeader.size)
        again.withUnsafeMutableBytes { header.encode(into: $0) }
        try require(
            again.elementsEqual(log.prefix(WALHeader.size)),
            "a header is another one when it is written again"
        )
        _ = header.restarted(salt2: 0)
    }
    if let frame = try? WALFrameHeader(log) {
        var again = [UInt8](repeating: 0, count: WALFrameHeader.size)
        again.withUnsafeMutableBytes { frame.encode(into: $0) }
        try require(again.elementsEqual(log.prefix(WALFrameHeader.size)), "a frame header is another one")
    }
    func content(upTo end: Int) -> WALContent {
        WALContent { buffer, offset in
            guard offset >= 0, offset < Int64(end) else { return 0 }
            let part = log[Int(offset)..<min(end, Int(offset) + buffer.count)]
            buffer.copyBytes(from: part)
            return part.count
        }
    }
    let whole = content(upTo: log.count)
    try require(whole.frames.count == Int(whole.commits.last ?? 0), "frames behind the last commit")
    try require(!whole.frames.contains(0), "a frame of page 0")
    try require(whole.frames.isEmpty || whole.pageCount > 0, "a commit of no pages")
    guard let header = whole.header else {
        return try require(whole.frames.isEmpty, "frames without a header")
    }
    let size = WALFrames.frameSize(header.pageSize)
    try require(WALHeader.size + whole.frames.count * size <= log.count, "more frames than bytes")
    // What a torn write leaves is the log up to some commit.
    let torn = content(upTo: log.count - min(log.count, 1 + log.count % 700))
    try require(whole.frames.starts(with: torn.frames), "a torn log has other frames")
    try require(whole.commits.starts(with: torn.commits), "a torn log has other commits")
    for offset in [Int64.min, -1, 0, 31, 32, Int64(log.count), Int64.max - 1, .max] {
        _ = WALFrames.count(fileSize: offset, pageSize: header.pageSize)
        guard let place = WALFrames.frame(atOffset: offset, pageSize: header.pageSize) else { continue }
        try require(
            WALFrames.offset(ofFrame: place.frame, pageSize: header.pageSize) + Int64(place.byte) == offset,
            "frame \(place.frame) is not at \(offset)"
        )
    }
}
