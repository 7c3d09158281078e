import Capture
import Faults
import LTX
import POSIX
import SQLiteFormat
import Synchronization

// Consistent reads. Before a write overwrites a page that a snapshot has not read yet, the page is kept for it.
extension Database {
    /// A consistent read of the whole database at its position.
    ///
    /// Waits while a rollback-journal transaction has written to the database file and not ended, at most until `deadline`.
    ///
    /// - Throws: when the database has no content that can be read, or the deadline passed.
    public func snapshot(deadline: MonotonicTime = .now + .seconds(60)) throws(StoreError) -> DatabaseSnapshot
    {
        try locked { () throws(StoreError) in
            _ = try? captureTail()
            awaitingSnapshot += 1
            defer { awaitingSnapshot -= 1 }
            while context.options.isPrimary,
                journal.isActive && !dirty.isEmpty || isTableUnknown || isLogUnknown || hasUncomparedPages
            {
                if isClosing { throw .closing }
                guard MonotonicTime.now < deadline else {
                    // What was committed waits for a reason that is known.
                    if let unrecorded { throw unrecorded }
                    throw .fault(
                        database: name.text,
                        reason:
                            "no consistent read: a program is in the middle of a transaction; try again when it ended"
                    )
                }
                _ = monitor.wait(until: .now + .milliseconds(20))
            }
            if isClosing { throw .closing }
            guard let pageSize = table.pageSize else { throw .unknownDatabase(name.text) }
            let reader =
                context.options.isPrimary
                ? logicalReader(pageSize)
                : LogicalReader(files: files, frames: replica.overlay, pageSize: pageSize)
            let snapshot = try DatabaseSnapshot(
                position: position,
                timestamp: timestamp,
                table: table,
                pageSize: pageSize,
                versionBytes: versionBytes,
                reader: reader,
                database: self
            )
            snapshots.append(snapshot)
            return snapshot
        }
    }

    /// Pages of the database file were written without a journal and belong to no transaction yet.
    private var hasUncomparedPages: Bool { needsReconcile && !dirty.isEmpty && !logs.hasFrames }

    /// Keeps pages of the database file that are about to be overwritten.
    ///
    /// Call with `monitor` held, before the write.
    func preservePagesForSnapshots(_ pages: ClosedRange<UInt32>) {
        for snapshot in snapshots { snapshot.preserve(pages) }
    }

    /// Keeps pages of the log before it is restarted, cut or overwritten.
    ///
    /// Call with `monitor` held, before that.
    func preserveLogForSnapshots() {
        for snapshot in snapshots { snapshot.preserveLog() }
    }

    func end(_ snapshot: DatabaseSnapshot) {
        locked { snapshots.removeAll { $0 === snapshot } }
    }
}

/// A consistent read of a database at one position.
///
/// It holds no lock while it is not reading, and delays no writer.
///
/// Pages are read in ascending order, once, by one thread. End with `end()`.
///
/// Invariant: a page not yet read is either where it was when the snapshot began, or in `kept`. Whoever overwrites it calls
/// `preserve` first, under the database's lock. Every page is checked against the checksum it had at the position.
public final class DatabaseSnapshot: @unchecked Sendable {
    // SAFETY: mutable properties are touched only under the lock of `database`.

    /// The position that is read.
    public let position: Position
    /// Time of its last transaction, milliseconds since 1970.
    public let timestamp: Int64
    /// Size of a page.
    public let pageSize: PageSize
    /// Pages of the database.
    public let pageCount: UInt32

    private let table: PageChecksumTable
    private let versionBytes: (write: UInt8, read: UInt8)
    private let reader: LogicalReader
    private let database: Database
    /// Last page that was read.
    private var cursor: UInt32 = 0
    /// Pages kept aside: offset in `spool`.
    private var kept: [UInt32: Int64] = [:]
    private var spool: FileDescriptor?
    private var failure: Errno?

    fileprivate init(
        position: Position,
        timestamp: Int64,
        table: PageChecksumTable,
        pageSize: PageSize,
        versionBytes: (write: UInt8, read: UInt8),
        reader: LogicalReader,
        database: Database
    ) throws(StoreError) {
        self.position = position
        self.timestamp = timestamp
        self.table = table
        self.pageSize = pageSize
        self.versionBytes = versionBytes
        self.reader = reader
        self.database = database
        pageCount = table.pageCount
    }

    /// The checksum of each page, page 1 at index 0; 0 for the lock page.
    public var checksums: [UInt64] { table.checksums }

    /// Most pages read under one hold of the database's lock.
    private static let pagesPerHold = 64

    /// Reads pages from `first` on, as many as the buffer holds, the lock page left out (zeros) where it falls in between.
    ///
    /// - Returns: number of pages; 0 after the last one.
    /// - Throws: when a page is not what it was at the position, or could not be kept.
    public func read(
        from first: PageNumber,
        into buffer: UnsafeMutableRawBufferPointer
    ) throws(StoreError) -> Int {
        guard first.rawValue >= 1, first.rawValue <= pageCount else { return 0 }
        let room = min(buffer.count / pageSize.bytes, Self.pagesPerHold)
        let count = min(room, Int(pageCount - first.rawValue) + 1)
        try database.locked { () throws(StoreError) in
            if let failure {
                throw .file(FileError("keep pages for a snapshot of", database.name.text, failure))
            }
            for index in 0..<count { load(first.rawValue + UInt32(index), slot(buffer, index)) }
            cursor = first.rawValue + UInt32(count) - 1
        }
        for index in 0..<count { try check(first.rawValue + UInt32(index), slot(buffer, index)) }
        return count
    }

    private func slot(_ buffer: UnsafeMutableRawBufferPointer, _ index: Int) -> UnsafeMutableRawBufferPointer
    {
        UnsafeMutableRawBufferPointer(rebasing: buffer[index * pageSize.bytes..<(index + 1) * pageSize.bytes])
    }

    private func load(_ page: UInt32, _ buffer: UnsafeMutableRawBufferPointer) {
        if let offset = kept[page] {
            _ = try? spool?.read(into: buffer, at: offset)
        } else {
            reader.read(PageNumber(page), into: buffer)
        }
        if page == 1 {
            buffer[DatabaseHeader.writeVersionOffset] = versionBytes.write
            buffer[DatabaseHeader.readVersionOffset] = versionBytes.read
        }
    }

    private func check(_ page: UInt32, _ buffer: UnsafeMutableRawBufferPointer) throws(StoreError) {
        let number = PageNumber(page)
        if number == pageSize.lockPage {
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            return
        }
        if PageChecksum.compute(number, UnsafeRawBufferPointer(buffer)) != table[number] {
            database.locked {
                database.suspect.insert(number)
                database.requestReconcile()
            }
            throw .fault(
                database: database.name.text,
                reason:
                    "page \(page) is not what it was at \(position); the database will be compared with its checksums"
            )
        }
    }

    // MARK: - Under the database's lock

    /// Keeps the pages of the database file that this snapshot still needs.
    fileprivate func preserve(_ pages: ClosedRange<UInt32>) {
        let first = max(pages.lowerBound, cursor + 1)
        let last = min(pages.upperBound, pageCount)
        guard first <= last else { return }
        // A log whose writes pass by may be restarted after the last of its pages was written.
        let isLogPassing = database.isLogPassing
        for page in first...last where kept[page] == nil && (isLogPassing || reader.frames[page] == nil) {
            keep(page)
        }
    }

    /// Keeps the pages of the log that this snapshot still needs.
    fileprivate func preserveLog() {
        for page in reader.frames.keys where page > cursor && page <= pageCount && kept[page] == nil {
            keep(page)
        }
    }

    private func keep(_ page: UInt32) {
        guard failure == nil else { return }
        do throws(Errno) {
            if spool == nil {
                let path = database.directory + "/snapshot-\(UInt64.random(in: 0 ..< .max)).tmp"
                try FaultPoint.snapshotCreate.pass()
                spool = try FileDescriptor.open(path, [.readWrite, .create, .exclusive])
                try Files.unlink(path)
            }
            let buffer = Buffer(count: pageSize.bytes)
            reader.read(PageNumber(page), into: buffer.bytes)
            let offset = Int64(kept.count) * Int64(pageSize.rawValue)
            try spool?.write(UnsafeRawBufferPointer(buffer.bytes), at: offset, passing: .snapshotWrite)
            kept[page] = offset
        } catch {
            // The writer must not fail because of a reader: the reader does.
            failure = error
        }
    }

    /// Ends the read; pages need not be kept for it any longer.
    public func end() {
        database.end(self)
    }
}
