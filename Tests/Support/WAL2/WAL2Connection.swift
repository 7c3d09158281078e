import Glibc
import POSIX
import SQLiteFormat

/// One connection to a database in wal2 mode.
///
/// Its own transactions only: nothing is cached from one to the next. One thread.
public final class WAL2Connection {
    /// Frames from which on the log goes on in the other file.
    public var switchAt: UInt32 = 1000

    let path: String
    let database: LockedFile
    let shared: MappedIndex
    /// `-wal` and `-wal2`.
    let logs: [LockedFile]
    let isReadOnly: Bool
    var reading: Reading?
    var writing: Writing?

    /// A read transaction.
    struct Reading {
        var header: WALIndexHeader
        var needsOther: Bool
        var lock: Int64
    }

    /// Opens a database whose header says wal2.
    ///
    /// - Parameter path: the database; the log is made if it does not exist, or opened for reading if that is all that is allowed.
    /// - Throws: `Errno`, or `WAL2Error` when a lock is not free.
    public init(_ path: String) throws {
        self.path = path
        database = try LockedFile(path, .readWrite)
        try database.lock(.shared, LockBytes.shared, LockBytes.sharedCount)
        shared = try MappedIndex(path + "-shm")
        var logs: [LockedFile] = []
        var isReadOnly = false
        for file in WALFile.allCases {
            do {
                logs.append(try LockedFile(path + file.suffix))
            } catch let error as Errno where error == .accessDenied {
                isReadOnly = true
                logs.append(try LockedFile(path + file.suffix, .readOnly))
            }
        }
        self.logs = logs
        self.isReadOnly = isReadOnly
        try shared.map(2)
    }

    // MARK: - Reading

    /// Starts a read transaction.
    public func beginRead() throws {
        precondition(reading == nil, "a read transaction is open")
        let deadline = MonotonicTime.now + .seconds(10)
        while MonotonicTime.now < deadline {
            guard let header = shared.index.readHeader() else {
                try recover()
                continue
            }
            let isDone = shared.isOtherCopied || header[header.file.other] == 0
            let lock = LockBytes.WALIndex.reader(of: header.file, needsOther: !isDone)
            guard try shared.file.tryLock(.shared, lock) else { continue }
            if shared.index.readHeader() == header,
                isDone == (shared.isOtherCopied || header[header.file.other] == 0)
            {
                reading = Reading(header: header, needsOther: !isDone, lock: lock)
                return
            }
            shared.file.unlock(lock)
        }
        throw WAL2Error.busy("a reader's lock")
    }

    /// Ends the read transaction.
    public func endRead() {
        guard let reading else { return }
        shared.file.unlock(reading.lock)
        self.reading = nil
    }

    /// The size of the database in pages, in the read transaction.
    public var pageCount: UInt32 {
        guard let reading else { preconditionFailure("no read transaction is open") }
        if reading.header.pageCount > 0 { return reading.header.pageCount }
        let size = (try? database.descriptor.status().size) ?? 0
        return UInt32(size / Int64(pageSize.rawValue))
    }

    /// The size of the pages.
    public var pageSize: PageSize {
        if let size = reading?.header.pageSize { return size }
        guard let bytes = try? database.read(0, DatabaseHeader.size),
            let header = try? bytes.withUnsafeBytes({ try DatabaseHeader($0) })
        else { preconditionFailure("\(path) has no sound header") }
        return header.pageSize
    }

    /// A page, in the read transaction.
    public func page(_ number: UInt32) throws -> [UInt8] {
        guard let reading else { preconditionFailure("no read transaction is open") }
        let file = reading.header.file
        for (file, isNeeded) in [(file, true), (file.other, reading.needsOther)] where isNeeded {
            let last = reading.header[file]
            guard last > 0 else { continue }
            let part = try shared.part(file, frames: last)
            if let frame = try part.find(page: PageNumber(rawValue: number), upTo: last) {
                let offset = WALFrames.pageOffset(ofFrame: frame, pageSize: pageSize)
                return try logs[Int(file.rawValue)].read(offset, pageSize.bytes)
            }
        }
        let offset = Int64(number - 1) * Int64(pageSize.rawValue)
        let page = try database.read(offset, pageSize.bytes)
        return page + [UInt8](repeating: 0, count: pageSize.bytes - page.count)
    }

    /// All pages, in a read transaction of its own.
    public func image() throws -> [UInt8] {
        try beginRead()
        defer { endRead() }
        var image: [UInt8] = []
        for number in stride(from: 1, through: pageCount, by: 1) { image += try page(number) }
        return image
    }

    /// Builds the wal-index from the log.
    private func recover() throws {
        guard try shared.file.tryLock(.exclusive, LockBytes.WALIndex.write) else {
            return pause(.microseconds(100))
        }
        defer { shared.file.unlock(LockBytes.WALIndex.write) }
        guard shared.index.readHeader() == nil else { return }
        try shared.file.lock(.exclusive, LockBytes.WALIndex.checkpoint, 2)
        defer { shared.file.unlock(LockBytes.WALIndex.checkpoint, 2) }
        let content = try LogContent { file, buffer, offset throws(Errno) in
            try logs[Int(file.rawValue)].descriptor.read(into: buffer, at: offset)
        }
        var header = WALIndexHeader(
            changeCounter: 1,
            pageSize: content.header?.pageSize,
            mxFrame: 0,
            pageCount: content.pageCount,
            frameChecksum: content.newest.chain?.checksum ?? WALChecksum(),
            salt1: content.header?.salt1 ?? 0,
            salt2: content.header?.salt2 ?? 0,
            version: .wal2,
            file: content.file
        )
        for file in WALFile.allCases {
            let pages = content[file].frames
            header[file] = UInt32(pages.count)
            let part = try shared.part(file, frames: UInt32(pages.count))
            for (frame, page) in zip(UInt32(1)..., pages) {
                try part.append(frame: frame, page: PageNumber(rawValue: page))
            }
        }
        shared.isOtherCopied = false
        shared.index.writeHeader(header)
    }
}
