import POSIX
import SQLiteFormat

/// A log and its index that are written here, beside a database that SQLite reads.
///
/// Holds the dead-man switch, as a daemon would: otherwise the first SQLite connection throws the index away.
final class ReplicaLog {
    let folder: TemporaryFolder
    private(set) var chain: WALChain
    private(set) var frameCount: UInt32 = 0
    private(set) var published: WALIndexHeader
    private var pageCount: UInt32 = 0
    private var pages: [PageNumber] = []
    private let log: FileDescriptor
    private let shared: FileDescriptor
    private let map: MemoryMap

    init(_ folder: TemporaryFolder, header: WALHeader, regions: Int) throws {
        self.folder = folder
        chain = WALChain(startOf: header)
        log = try FileDescriptor.open(folder.file("d-wal"), [.readWrite, .create])
        var bytes = [UInt8](repeating: 0, count: WALHeader.size)
        bytes.withUnsafeMutableBytes { header.encode(into: $0) }
        try log.write(bytes, at: 0)
        shared = try FileDescriptor.open(folder.file("d-shm"), [.readWrite, .create])
        try shared.truncate(to: Int64(regions * WALIndex.regionSize))
        try shared.tryLock(.shared, start: LockBytes.WALIndex.deadManSwitch, length: 1)
        map = try MemoryMap(shared, offset: 0, count: regions * WALIndex.regionSize)
        // An odd counter, to see that SQLite did not build the index anew. No page size, as long as no frame is there.
        published = WALIndexHeader(chain: chain, mxFrame: 0, pageCount: 0, changeCounter: 0x51ab_0000)
        published.pageSize = nil
        index.writeHeader(published)
        index.resetCheckpointInformation(mxFrame: 0)
    }

    var index: WALIndex {
        WALIndex(contiguous: UnsafeMutableRawBufferPointer(start: map.base, count: map.count))
    }

    /// Writes a transaction to the log, without a word to the index.
    func write(_ transaction: Transaction, isComplete: Bool = true) throws {
        for (number, page) in transaction.pages.enumerated() {
            let isLast = isComplete && number == transaction.pages.count - 1
            let bytes = frame(
                &chain,
                page: page.number,
                commitSize: isLast ? transaction.pageCount : 0,
                data: page.data
            )
            frameCount += 1
            try log.write(bytes, at: WALFrames.offset(ofFrame: frameCount, pageSize: chain.pageSize))
            pages.append(page.number)
        }
        pageCount = transaction.pageCount
    }

    /// Enters all frames that are not in the index yet, and publishes them.
    func publish() throws {
        for number in published.mxFrame..<frameCount {
            try index.append(frame: number + 1, page: pages[Int(number)])
        }
        published = WALIndexHeader(
            chain: chain,
            mxFrame: frameCount,
            pageCount: pageCount,
            changeCounter: published.changeCounter + 1
        )
        index.writeHeader(published)
    }
}

/// The pages in which two states of a database differ.
struct Transaction {
    var pages: [(number: PageNumber, data: [UInt8])] = []
    let pageCount: UInt32

    init(from before: [UInt8], to after: [UInt8], pageSize: Int) {
        pageCount = UInt32(after.count / pageSize)
        for number in 0..<Int(pageCount) {
            let range = number * pageSize..<(number + 1) * pageSize
            if range.upperBound <= before.count, before[range] == after[range] { continue }
            pages.append((PageNumber(rawValue: UInt32(number + 1)), Array(after[range])))
        }
    }
}
