import SQLiteFormat

/// A write-ahead log that was read by the chain alone, as a reference for everything else.
struct LogReading {
    let header: WALHeader
    /// The frames that count, up to the last one that continues the chain.
    var frames: [WALFrameHeader] = []
    /// The chain after each frame; the first is the header's.
    var chains: [WALChain]

    init(_ log: [UInt8]) throws {
        header = try log.withUnsafeBytes { bytes throws(SQLiteFormatError) in try WALHeader(bytes) }
        chains = [WALChain(startOf: header)]
        try log.withUnsafeBytes { bytes in
            let size = WALFrames.frameSize(header.pageSize)
            var offset = WALHeader.size
            while offset + size <= bytes.count, let chain = chains.last {
                let fields = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + WALFrameHeader.size])
                let page = UnsafeRawBufferPointer(
                    rebasing: bytes[offset + WALFrameHeader.size..<offset + size]
                )
                guard let next = chain.extended(header: fields, page: page) else { break }
                frames.append(try WALFrameHeader(fields))
                chains.append(next)
                offset += size
            }
        }
    }

    /// The number of the last frame that ends a transaction.
    var lastCommit: Int {
        (frames.lastIndex { $0.isCommit } ?? -1) + 1
    }

    /// The newest frame of each page, up to a frame.
    func newestFrames(upTo last: Int, from first: Int = 1) -> [PageNumber: UInt32] {
        var newest: [PageNumber: UInt32] = [:]
        for number in stride(from: first, through: last, by: 1) {
            newest[frames[number - 1].page] = UInt32(number)
        }
        return newest
    }
}
