import SQLiteFormat

extension FuzzTarget {
    static let wal2 = FuzzTarget(
        "wal2",
        summary: "logs of two files: which frames of which file count",
        seeds: {
            [
                [0, 1, 3, 1, 0, 0, 2, 3, 0], [0, 2, 5, 7, 7, 7, 3, 0, 2, 5, 1, 9],
                [9, 0, 2, 5, 7, 7, 0, 0, 3, 1],
            ]
        },
        check: { bytes in
            var input = FuzzInput(bytes)
            let damage = input.byte()
            var logs = TwoLogs()
            while !input.isEmpty, logs.byteCount < 32_768 { logs.step(&input) }
            if damage == 0 { return try logs.checkSound() }
            var positions = FuzzInput(bytes)
            try logs.checkDamaged(&positions, times: Int(damage % 8))
        }
    )
}

/// Both files of a log as SQLite's branch writes them, and what of them is committed.
private struct TwoLogs {
    private var files: [[UInt8]] = [[], []]
    private var frames: [[UInt32]] = [[], []]
    private var headers: [WALHeader?] = [nil, nil]
    private var chains: [WALChain?] = [nil, nil]
    private var file = WALFile.wal
    private var pageCount: UInt32 = 0

    var byteCount: Int { files[0].count + files[1].count }

    private var number: Int { Int(file.rawValue) }

    /// One transaction, or one that is given up, perhaps in the other file.
    mutating func step(_ input: inout FuzzInput) {
        let kind = input.byte()
        if kind % 4 == 0, !frames[number].isEmpty {
            file = file.other
            frames[number] = []
        }
        guard let pageSize = PageSize(512) else { return }
        if frames[number].isEmpty {
            let other = Int(file.other.rawValue)
            let header: WALHeader
            if let before = headers[other], let chain = chains[other], !frames[other].isEmpty {
                header = before.continued(after: chain.checksum)
            } else {
                header = WALHeader(
                    pageSize: pageSize,
                    checkpointSequence: 0,
                    salt1: UInt32(kind),
                    salt2: 1,
                    version: .wal2
                )
            }
            headers[number] = header
            chains[number] = WALChain(startOf: header)
            write(
                [UInt8](unsafeUninitializedCapacity: WALHeader.size) { buffer, count in
                    header.encode(into: UnsafeMutableRawBufferPointer(buffer))
                    count = WALHeader.size
                },
                at: 0
            )
        }
        guard var chain = chains[number] else { return }
        var pages = frames[number]
        let isCommitted = kind & 0x80 == 0
        let count = Int(input.byte() % 3) + 1
        for index in 1...count {
            let page = UInt32(input.byte()) + 1
            let commitSize: UInt32 = isCommitted && index == count ? 256 : 0
            let data = [UInt8](repeating: input.byte(), count: 512)
            var head = [UInt8](repeating: 0, count: WALFrameHeader.size)
            head.withUnsafeMutableBytes { head in
                data.withUnsafeBytes { data in
                    chain.seal(page: PageNumber(page), commitSize: commitSize, data: data, into: head)
                }
            }
            let offset = WALFrames.offset(ofFrame: UInt32(pages.count) + 1, pageSize: pageSize)
            write(head + data, at: Int(offset))
            pages.append(page)
        }
        guard isCommitted else { return }
        frames[number] = pages
        chains[number] = chain
        pageCount = 256
    }

    private mutating func write(_ bytes: [UInt8], at offset: Int) {
        let missing = offset + bytes.count - files[number].count
        if missing > 0 { files[number] += [UInt8](repeating: 0, count: missing) }
        files[number].replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }

    private func content() -> LogContent {
        LogContent { file, buffer, offset in
            let rest = files[Int(file.rawValue)].dropFirst(Int(clamping: offset)).prefix(buffer.count)
            buffer.copyBytes(from: rest)
            return rest.count
        }
    }

    /// A log that nobody damaged is read as it was written.
    func checkSound() throws {
        let content = content()
        guard frames.contains(where: { !$0.isEmpty }) else {
            return try require(content.frames.isEmpty, "frames that nobody committed")
        }
        // A file where the log was to go on, and nothing was committed, does not count yet.
        let last = frames[number].isEmpty ? file.other : file
        try require(content.file == last, "the log goes on in the other file")
        try require(content.newest.frames == frames[Int(last.rawValue)], "other frames in the newest file")
        if last == file {
            try require(
                content.older.frames == frames[Int(last.other.rawValue)],
                "other frames in the older file"
            )
        }
        try require(content.pageCount == pageCount, "another size")
    }

    /// Whatever is in the files, what counts is a chain from one file to the other.
    mutating func checkDamaged(_ input: inout FuzzInput, times: Int) throws {
        for _ in 0..<times {
            let file = Int(input.byte() % 2)
            guard !files[file].isEmpty else { continue }
            let offset = Int(input.integer(UInt16.self)) % files[file].count
            if input.byte() % 8 == 0 {
                files[file].removeLast(files[file].count - offset)
            } else {
                files[file][offset] ^= 1 << (input.byte() % 8)
            }
        }
        let content = content()
        try require(!content.frames.pages.contains(0), "a frame of page 0")
        try require(content.frameCount == content.frames.count, "another number of frames")
        var places = 0
        content.frames.visit { _, place in
            places += 1
            if place.frame == 0 { places = -1 }
        }
        try require(places == content.frameCount, "a frame without a place")
        guard !content.older.frames.isEmpty else { return }
        guard let newest = content.newest.header, let older = content.older.header,
            let chain = content.older.chain
        else { throw Broken("frames without a header") }
        try require(newest.continues(older, endingWith: chain.checksum), "files that do not belong together")
        try require(!content.newest.frames.isEmpty, "a newest file without a commit")
    }
}
