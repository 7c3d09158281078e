import SQLiteFormat

extension FuzzTarget {
    static let walIndex = FuzzTarget(
        "wal-index",
        summary: "shared memory that other processes damaged",
        maximumByteCount: 2048,
        seeds: {
            let index = try RealFiles.database(mode: "wal").index
            return [Array(index.prefix(160)), Array(index.prefix(160)) + [1, 2, 3, 2, 1, 4, 3, 0, 5]]
        },
        check: checkWALIndex
    )
}

private func checkWALIndex(_ bytes: UnsafeRawBufferPointer) throws {
    if let header = try? WALIndexHeader(bytes) {
        var again = [UInt8](repeating: 0, count: WALIndexHeader.size)
        again.withUnsafeMutableBytes { header.encode(into: $0) }
        try require(
            try again.withUnsafeBytes { try WALIndexHeader($0) } == header,
            "the header reads as another one"
        )
        if let chain = WALChain(resuming: header) { try require(chain.salt1 == header.salt1, "another log") }
    }
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * WALIndex.regionSize, alignment: 4096)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: bytes.first ?? 0)
    memory.copyBytes(from: bytes.prefix(160))
    let index = WALIndex(contiguous: memory)
    if let header = index.readHeader() {
        index.writeHeader(header)
        try require(index.readHeader() == header, "a header that was published is not there")
    }
    _ = (index.backfilled, index.backfillAttempted, index.version)
    var input = FuzzInput(UnsafeRawBufferPointer(rebasing: bytes.dropFirst(160)))
    var steps = 0
    while !input.isEmpty, steps < 24 {
        steps += 1
        let frame = UInt32(truncatingIfNeeded: input.extreme())
        let page = PageNumber(UInt32(truncatingIfNeeded: input.extreme()))
        switch input.byte() % 6 {
        case 0: try checkAppend(index, frame, page)
        case 1: try? index.cleanup(after: frame)
        case 2, 3:
            let least = UInt32(truncatingIfNeeded: input.extreme())
            guard let found = try? index.find(page: page, upTo: frame, minFrame: least) else { continue }
            try require(
                found >= max(1, least) && found <= frame,
                "frame \(found) is outside of what was asked for"
            )
            try require(try index.page(ofFrame: found) == page, "frame \(found) has another page")
        case 4:
            let at = Int(input.integer(UInt16.self))
            memory[at] = input.byte()
        default:
            let offset = WALIndexPart.whole.entryOffset(ofFrame: frame)
            try require(
                offset >= 136
                    && offset / WALIndex.regionSize == WALIndexPart.whole.regionIndex(ofFrame: frame),
                "entry"
            )
            _ = try? index.page(ofFrame: frame)
        }
    }
}

/// A frame that was entered is found.
private func checkAppend(_ index: WALIndex, _ frame: UInt32, _ page: PageNumber) throws {
    guard page.rawValue != 0, (try? index.append(frame: frame, page: page)) != nil else { return }
    try require(try index.page(ofFrame: frame) == page, "frame \(frame) was entered and is not there")
    if let found = try? index.find(page: page, upTo: frame) {
        try require(found == frame, "page \(page) is in frame \(frame) and was found in \(found)")
    }
}
