import SQLiteFormat

// What programs do that have errors, or die, or mean harm.
extension WAL2Connection {
    /// Commits one page whose frame keeps zeros for salts and checksum, as SQLite does behind a savepoint that was rolled back.
    public func commitUnsealed(_ page: UInt32, _ data: [UInt8], size: UInt32) throws {
        if writing == nil { try startLog() }
        writing?.rewrittenFrom = 0
        try write(page, data, commitSize: size)
        guard let writing, var header = shared.index.readHeader() else { return }
        let last = writing.firstFrame + UInt32(writing.frames.count) - 1
        let part = try shared.part(writing.file, frames: last)
        for (frame, page) in zip(writing.firstFrame..., writing.frames) {
            try part.append(frame: frame, page: PageNumber(rawValue: page))
        }
        header[writing.file] = last
        header.pageCount = size
        header.pageSize = writing.chain.pageSize
        header.frameChecksum = WALChecksum(first: 77, second: 99)
        (header.salt1, header.salt2) = (writing.chain.salt1, writing.chain.salt2)
        header.changeCounter &+= 1
        shared.index.writeHeader(header)
        endWrite()
    }

    /// Publishes a header with one frame less.
    public func publishFewer() {
        guard var header = shared.index.readHeader() else { return }
        header.mxFrame -= 1
        shared.index.writeHeader(header)
    }
}
