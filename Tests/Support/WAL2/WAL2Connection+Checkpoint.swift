import POSIX
import SQLiteFormat

extension WAL2Connection {
    /// Copies the file that is not written to the database file, if no reader is in the way.
    ///
    /// - Returns: whether the database file has all of it.
    @discardableResult
    public func checkpoint() throws -> Bool {
        guard let header = shared.index.readHeader() else { return false }
        let other = header.file.other
        if header[other] == 0 || shared.isOtherCopied { return true }
        guard try shared.file.tryLock(.exclusive, LockBytes.WALIndex.checkpoint) else { return false }
        defer { shared.file.unlock(LockBytes.WALIndex.checkpoint) }
        let readers: Int64 = other == .wal ? 124 : 126
        guard try shared.file.tryLock(.exclusive, readers, 2) else { return false }
        defer { shared.file.unlock(readers, 2) }
        guard shared.index.readHeader()?.file == header.file else { return false }
        try copy(other, header)
        shared.isOtherCopied = true
        return true
    }

    private func copy(_ file: WALFile, _ header: WALIndexHeader) throws {
        guard header[file] > 0, let pageSize = header.pageSize else { return }
        let log = logs[Int(file.rawValue)]
        try log.descriptor.synchronizeData()
        let part = try shared.part(file, frames: header[file])
        var newest: [UInt32: UInt32] = [:]
        for frame in 1...header[file] {
            if let page = try part.page(ofFrame: frame) { newest[page.rawValue] = frame }
        }
        for (page, frame) in newest.sorted(by: { $0.key < $1.key }) where page <= header.pageCount {
            let data = try log.read(WALFrames.pageOffset(ofFrame: frame, pageSize: pageSize), pageSize.bytes)
            try database.descriptor.write(data, at: Int64(page - 1) * Int64(pageSize.rawValue))
        }
        try database.descriptor.synchronizeData()
    }

    /// Closes the connection.
    ///
    /// The last one copies both files to the database file, and removes them and the wal-index.
    ///
    /// - Returns: whether it was the last one.
    @discardableResult
    public func close() throws -> Bool {
        if writing != nil || reading != nil { rollback() }
        guard try database.tryLock(.exclusive, LockBytes.shared, LockBytes.sharedCount) else { return false }
        if let header = shared.index.readHeader(), !isReadOnly {
            if !shared.isOtherCopied { try copy(header.file.other, header) }
            try copy(header.file, header)
            if header.pageCount > 0, let pageSize = header.pageSize {
                try database.descriptor.truncate(to: Int64(header.pageCount) * Int64(pageSize.rawValue))
            }
        }
        try Files.unlink(path + "-shm")
        for file in WALFile.allCases { try Files.unlink(path + file.suffix) }
        database.unlock(LockBytes.shared, LockBytes.sharedCount)
        return true
    }

    /// Changes the journal mode that a database's header says, as SQLite does it: by a transaction with a rollback journal.
    ///
    /// Nobody has the database open.
    public static func setJournalMode(_ mode: JournalMode, of path: String) throws {
        let database = try LockedFile(path, .readWrite)
        let shared = (LockBytes.shared, LockBytes.sharedCount)
        try database.lock(.shared, shared.0, shared.1)
        try database.lock(.exclusive, LockBytes.reserved)
        let header = try database.read(0, DatabaseHeader.size)
        let pageSize = try header.withUnsafeBytes { try DatabaseHeader($0) }.pageSize
        var page = try database.read(0, pageSize.bytes)
        let journal = try LockedFile(path + "-journal")
        try journal.descriptor.write(Self.journal(of: page, pages: database, pageSize), at: 0)
        try journal.descriptor.synchronizeData()
        try database.lock(.exclusive, LockBytes.pending)
        try database.lock(.exclusive, shared.0, shared.1)
        page[DatabaseHeader.writeVersionOffset] = mode.versionByte
        page[DatabaseHeader.readVersionOffset] = mode.versionByte
        let counter = page[24..<28].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } &+ 1
        for offset in [24, 92] {
            withUnsafeBytes(of: counter.bigEndian) { page.replaceSubrange(offset..<offset + 4, with: $0) }
        }
        try database.descriptor.write(page, at: 0)
        try database.descriptor.synchronizeData()
        try Files.unlink(path + "-journal")
        database.unlock(LockBytes.pending, LockBytes.shared + LockBytes.sharedCount - LockBytes.pending)
    }

    /// A rollback journal with page 1 as it is.
    private static func journal(of page: [UInt8], pages: LockedFile, _ pageSize: PageSize) throws -> [UInt8] {
        let nonce = UInt32.random(in: 0 ... .max)
        let count = UInt32(try pages.descriptor.status().size / Int64(pageSize.rawValue))
        var journal: [UInt8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]
        for word in [1, nonce, count, 512, pageSize.rawValue] {
            withUnsafeBytes(of: word.bigEndian) { journal += $0 }
        }
        journal += [UInt8](repeating: 0, count: 512 - journal.count)
        withUnsafeBytes(of: UInt32(1).bigEndian) { journal += $0 }
        journal += page
        var sum = nonce
        var offset = pageSize.bytes - 200
        while offset > 0 {
            sum &+= UInt32(page[offset])
            offset -= 200
        }
        withUnsafeBytes(of: sum.bigEndian) { journal += $0 }
        return journal
    }
}
