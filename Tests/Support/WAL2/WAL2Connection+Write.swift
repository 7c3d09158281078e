import POSIX
import SQLiteFormat

extension WAL2Connection {
    /// A write transaction.
    struct Writing {
        var file: WALFile
        var chain: WALChain
        /// Page of each frame of the transaction.
        var frames: [UInt32] = []
        /// The first frame of the transaction whose page was written again, or nil: from there on headers are written at its end.
        var rewrittenFrom: Int?
        var firstFrame: UInt32
        var log: LockedFile
    }

    /// Starts a write transaction, whose reads are those of now.
    public func beginWrite() throws {
        if isReadOnly { throw WAL2Error.readOnly }
        try beginRead()
        guard let reading else { return }
        guard try shared.file.tryLock(.exclusive, LockBytes.WALIndex.write) else {
            endRead()
            throw WAL2Error.busy("WRITE")
        }
        guard shared.index.readHeader() == reading.header else {
            shared.file.unlock(LockBytes.WALIndex.write)
            endRead()
            throw WAL2Error.busySnapshot
        }
    }

    /// Writes a frame, as SQLite does when its cache spills, and at a commit.
    ///
    /// A page that the transaction has written already is written over, and its header later.
    public func write(_ page: UInt32, _ data: [UInt8], commitSize: UInt32 = 0) throws {
        if writing == nil { try startLog() }
        guard var writing else { return }
        let pageSize = writing.chain.pageSize
        if commitSize == 0, let index = writing.frames.lastIndex(of: page) {
            let offset = WALFrames.pageOffset(
                ofFrame: writing.firstFrame + UInt32(index),
                pageSize: pageSize
            )
            try writing.log.descriptor.write(data, at: offset)
            writing.rewrittenFrom = min(writing.rewrittenFrom ?? index, index)
            self.writing = writing
            return
        }
        var header = [UInt8](repeating: 0, count: WALFrameHeader.size)
        header.withUnsafeMutableBytes { header in
            data.withUnsafeBytes { data in
                if writing.rewrittenFrom == nil {
                    writing.chain.seal(
                        page: PageNumber(rawValue: page),
                        commitSize: commitSize,
                        data: data,
                        into: header
                    )
                } else {
                    header.storeBytes(of: page.bigEndian, as: UInt32.self)
                    header.storeBytes(of: commitSize.bigEndian, toByteOffset: 4, as: UInt32.self)
                }
            }
        }
        let frame = writing.firstFrame + UInt32(writing.frames.count)
        let offset = WALFrames.offset(ofFrame: frame, pageSize: pageSize)
        try writing.log.descriptor.write(header, at: offset)
        try writing.log.descriptor.write(data, at: offset + Int64(WALFrameHeader.size))
        writing.frames.append(page)
        self.writing = writing
    }

    /// Commits: the frames that were written, with this one as the last.
    public func commit(_ page: UInt32, _ data: [UInt8], size: UInt32) throws {
        try write(page, data, commitSize: size)
        guard let written = writing else { return }
        if let first = written.rewrittenFrom { try rewriteHeaders(from: first) }
        try publish(size: size, checksum: writing?.chain.checksum)
    }

    /// Enters the frames of the transaction in the wal-index, publishes them and ends the transaction.
    ///
    /// `checksum` is that of the last frame.
    func publish(size: UInt32, checksum: WALChecksum?) throws {
        guard let writing, let checksum, var header = shared.index.readHeader() else { return }
        let last = writing.firstFrame + UInt32(writing.frames.count) - 1
        let part = try shared.part(writing.file, frames: last)
        for (frame, page) in zip(writing.firstFrame..., writing.frames) {
            try part.append(frame: frame, page: PageNumber(rawValue: page))
        }
        header[writing.file] = last
        header.pageCount = size
        header.pageSize = writing.chain.pageSize
        header.frameChecksum = checksum
        (header.salt1, header.salt2) = (writing.chain.salt1, writing.chain.salt2)
        header.changeCounter &+= 1
        shared.index.writeHeader(header)
        endWrite()
    }

    /// Gives the transaction up; frames that it wrote stay in the file.
    public func rollback() { endWrite() }

    func endWrite() {
        writing = nil
        shared.file.unlock(LockBytes.WALIndex.write)
        endRead()
    }

    /// The first frame of a transaction decides in which file it goes.
    func startLog() throws {
        guard let reading else { preconditionFailure("no write transaction is open") }
        var header = reading.header
        let old = header.file
        if !reading.needsOther, header[old] >= switchAt, let range = Self.switchLocks[old],
            try shared.file.tryLock(.exclusive, range, 3)
        {
            header.file = old.other
            header[old.other] = 0
            (header.salt1, header.salt2) = (header.frameChecksum.first, header.frameChecksum.second)
            shared.index.writeHeader(header)
            shared.isOtherCopied = false
            shared.file.unlock(range, 3)
            // The lock that it reads under stays: that of the file that was left.
        }
        let log = logs[Int(header.file.rawValue)]
        let chain: WALChain
        if header[header.file] == 0 {
            let start = try newHeader(header)
            var bytes = [UInt8](repeating: 0, count: WALHeader.size)
            bytes.withUnsafeMutableBytes { start.encode(into: $0) }
            try log.descriptor.write(bytes, at: 0)
            try log.descriptor.synchronizeData()
            chain = WALChain(startOf: start)
        } else {
            guard let resumed = WALChain(resuming: header) else {
                preconditionFailure("the index has frames")
            }
            chain = resumed
        }
        writing = Writing(file: header.file, chain: chain, firstFrame: header[header.file] + 1, log: log)
    }

    private static let switchLocks: [WALFile: Int64] = [.wal: 125, .wal2: 124]

    private func newHeader(_ header: WALIndexHeader) throws -> WALHeader {
        let other = header.file.other
        if header[other] > 0 {
            let bytes = try logs[Int(other.rawValue)].read(0, WALHeader.size)
            let before = try bytes.withUnsafeBytes { try WALHeader($0) }
            return before.continued(after: WALChecksum(first: header.salt1, second: header.salt2))
        }
        return WALHeader(
            pageSize: pageSize,
            checkpointSequence: 0,
            salt1: header.salt1 != 0 ? header.salt1 : .random(in: 1 ... .max),
            salt2: header.salt1 != 0 ? header.salt2 : .random(in: 1 ... .max),
            version: .wal2
        )
    }

    /// Writes the headers from one frame of the transaction on, with salts and checksums.
    private func rewriteHeaders(from index: Int) throws {
        guard var writing else { return }
        let pageSize = writing.chain.pageSize
        let first = writing.firstFrame + UInt32(index)
        if first == 1 {
            let bytes = try writing.log.read(0, WALHeader.size)
            writing.chain = WALChain(startOf: try bytes.withUnsafeBytes { try WALHeader($0) })
        } else {
            let offset = WALFrames.offset(ofFrame: first - 1, pageSize: pageSize)
            let bytes = try writing.log.read(offset, WALFrameHeader.size)
            writing.chain.resume(at: try bytes.withUnsafeBytes { try WALFrameHeader($0) }.checksum)
        }
        for frame in first..<writing.firstFrame + UInt32(writing.frames.count) {
            let offset = WALFrames.offset(ofFrame: frame, pageSize: pageSize)
            var header = try writing.log.read(offset, WALFrameHeader.size)
            let fields = try header.withUnsafeBytes { try WALFrameHeader($0) }
            let data = try writing.log.read(offset + Int64(WALFrameHeader.size), pageSize.bytes)
            header.withUnsafeMutableBytes { header in
                data.withUnsafeBytes { data in
                    writing.chain.seal(
                        page: fields.page,
                        commitSize: fields.commitSize,
                        data: data,
                        into: header
                    )
                }
            }
            try writing.log.descriptor.write(header, at: offset)
        }
        self.writing = writing
    }
}
