import LTX
import Logging
import POSIX
import SQLiteFormat
import Store

/// A whole database, encoded as an LTX file while it is sent.
///
/// Memory is bounded by a batch of pages and the output of encoding it.
final class OutgoingSnapshot: OutgoingFile {
    private static let batchByteCount = 256 << 10
    private static let progressInterval = Duration.seconds(5)
    private static let emptyPageSize = PageSize(4096)

    let frameType = "ltx:snapshot"
    let isShort = false
    let end: Position

    private let name: DatabaseName
    private let logger: Logger
    private let source: (any ConsistentRead)?
    private let pageSize: PageSize
    private let pageCount: UInt32
    private let encoder = LTXEncoder()
    private let batch: Buffer
    /// XOR of the pages so far: a replica compares it with the position, so it is not sent unless it is right.
    private var checksum = Checksum.empty
    private var nextPage: UInt32 = 1
    private var isFinished = false
    /// How much of the encoder's output was given out.
    private var taken = 0

    private var byteCount = 0
    private let start = MonotonicTime.now
    private var nextReport: MonotonicTime

    /// Begins to send what `source` reads; ends the read when it goes.
    convenience init(
        of name: DatabaseName,
        _ source: any ConsistentRead,
        isCompressed: Bool,
        nodeID: UInt64,
        logger: Logger
    ) throws {
        let header = LTXHeader(
            isCompressed: isCompressed,
            pageSize: source.pageSize,
            commit: source.pageCount,
            minTXID: TXID(1),
            maxTXID: source.position.txid,
            timestampMilliseconds: source.timestamp,
            preApply: .zero,
            nodeID: nodeID
        )
        try self.init(of: name, source, header: header, position: source.position, logger: logger)
    }

    /// Begins to send a database that was deleted: nothing, at a position.
    convenience init(
        ofDeleted name: DatabaseName,
        at position: Position,
        nodeID: UInt64,
        logger: Logger
    ) throws {
        guard let pageSize = Self.emptyPageSize else { preconditionFailure("4096 is a page size") }
        let header = LTXHeader(
            isCompressed: false,
            pageSize: pageSize,
            commit: 0,
            minTXID: TXID(1),
            maxTXID: position.txid,
            timestampMilliseconds: WallClock.milliseconds,
            preApply: .zero,
            nodeID: nodeID
        )
        try self.init(of: name, nil, header: header, position: position, logger: logger)
    }

    private init(
        of name: DatabaseName,
        _ source: (any ConsistentRead)?,
        header: LTXHeader,
        position: Position,
        logger: Logger
    ) throws {
        self.name = name
        self.source = source
        self.logger = logger
        end = position
        pageSize = header.pageSize
        pageCount = header.commit
        batch = Buffer(count: source == nil ? 1 : max(pageSize.bytes, Self.batchByteCount))
        nextReport = start + Self.progressInterval
        try encoder.begin(header: header)
        logger.info("writing snapshot \"\(name)\" @ \(position.txid)")
    }

    deinit {
        source?.end()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while taken == encoder.output.count {
            if isFinished {
                report("sent")
                return 0
            }
            encoder.clearOutput()
            taken = 0
            try encodeMore()
        }
        let count = min(buffer.count, encoder.output.count - taken)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: encoder.output[taken..<taken + count]))
        taken += count
        byteCount += count
        if MonotonicTime.now >= nextReport {
            report("at page \(nextPage - 1) of \(pageCount)")
            nextReport = .now + Self.progressInterval
        }
        return count
    }

    private func encodeMore() throws {
        guard let source, nextPage <= pageCount else { return try finish() }
        let pages = try source.read(from: PageNumber(nextPage), into: batch.bytes)
        guard pages > 0 else {
            throw SnapshotError(name, "the read ended at page \(nextPage) of \(pageCount)")
        }
        for index in 0..<pages {
            let number = PageNumber(nextPage)
            // No overflow: it is at most the number of pages, which has 32 bits, and is compared before it is used.
            nextPage &+= 1
            guard number != pageSize.lockPage else { continue }
            let start = index * pageSize.bytes
            let page = UnsafeRawBufferPointer(rebasing: batch.bytes[start..<start + pageSize.bytes])
            checksum.toggle(PageChecksum.compute(number, page))
            try encoder.append(page: number, data: page)
        }
        if nextPage > pageCount || nextPage == 0 { try finish() }
    }

    private func finish() throws {
        guard checksum == end.postApply else {
            throw SnapshotError(name, "its pages have checksum \(checksum), its position is \(end)")
        }
        _ = try encoder.finish(postApply: end.postApply)
        isFinished = true
    }

    private func report(_ what: String) {
        let seconds = (MonotonicTime.now - start).seconds
        logger.info(
            "snapshot \"\(name)\" @ \(end.txid): \(what)",
            ["bytes": .integer(Int64(byteCount)), "seconds": .number((seconds * 1000).rounded() / 1000)]
        )
    }
}

/// Why a snapshot ends before it is complete.
struct SnapshotError: Error, CustomStringConvertible {
    let description: String

    init(_ name: DatabaseName, _ reason: String) {
        description = "snapshot \"\(name)\": \(reason)"
    }
}
