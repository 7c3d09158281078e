import LTX
import Logging
import POSIX
import SQLiteFormat
import Store

/// A database, whole or the pages that differ from a client's, encoded as an LTX file while it is sent.
///
/// Memory is bounded by a batch of pages, the list of runs of pages, and the output of encoding a batch.
final class OutgoingSnapshot: OutgoingFile {
    private static let batchByteCount = 256 << 10
    private static let progressInterval = Duration.seconds(5)
    private static let emptyPageSize = PageSize(4096)

    /// What the log calls it.
    private let kind: Kind
    var frameType: String { "ltx:\(kind)" }
    let isShort = false
    let end: Position

    private enum Kind {
        case snapshot
        case difference
    }

    /// What differs from a client's database.
    struct Difference {
        /// The checksum of the client's database.
        let preApply: Checksum
        /// The pages that differ, in ascending order, without the lock page.
        let pages: [ClosedRange<UInt32>]
    }

    private let name: DatabaseName
    private let logger: Logger
    private let source: (any ConsistentRead)?
    private let pageSize: PageSize
    private let pageCount: UInt32
    private let encoder = LTXEncoder(hasFrameChecksums: false)
    private let batch: Buffer
    /// XOR of the pages so far: a replica compares it with the position, so it is not sent unless it is right.
    ///
    /// Of a difference each page is compared when it is read, and the replica compares all.
    private var checksum = Checksum.empty
    /// Pages that are still to be sent, the first of them first.
    private var runs: ArraySlice<ClosedRange<UInt32>>
    private var isFinished = false
    /// How much of the encoder's output was given out.
    private var taken = 0

    private var byteCount = 0
    private let start = MonotonicTime.now
    private var nextReport: MonotonicTime

    /// Begins to send what `source` reads, or of that only a difference; ends the read when it goes.
    convenience init(
        of name: DatabaseName,
        _ source: any ConsistentRead,
        only difference: Difference? = nil,
        isCompressed: Bool,
        nodeID: UInt64,
        logger: Logger
    ) throws {
        let header = LTXHeader(
            isCompressed: isCompressed,
            pageSize: source.pageSize,
            commit: source.pageCount,
            minTXID: difference == nil ? TXID(1) : source.position.txid,
            maxTXID: source.position.txid,
            timestampMilliseconds: source.timestamp,
            preApply: difference?.preApply ?? .zero,
            nodeID: nodeID
        )
        try self.init(
            difference == nil ? .snapshot : .difference,
            of: name,
            source,
            difference?.pages ?? (source.pageCount > 0 ? [1...source.pageCount] : []),
            header: header,
            position: source.position,
            logger: logger
        )
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
        try self.init(.snapshot, of: name, nil, [], header: header, position: position, logger: logger)
    }

    private init(
        _ kind: Kind,
        of name: DatabaseName,
        _ source: (any ConsistentRead)?,
        _ pages: [ClosedRange<UInt32>],
        header: LTXHeader,
        position: Position,
        logger: Logger
    ) throws {
        self.kind = kind
        self.name = name
        self.source = source
        runs = pages[...]
        self.logger = logger
        end = position
        pageSize = header.pageSize
        pageCount = header.commit
        batch = Buffer(count: source == nil ? 1 : max(pageSize.bytes, Self.batchByteCount))
        nextReport = start + Self.progressInterval
        try encoder.begin(header: header)
        logger.info("writing \(kind) \"\(name)\" @ \(position.txid)")
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
            report("at page \(runs.first?.lowerBound ?? pageCount) of \(pageCount)")
            nextReport = .now + Self.progressInterval
        }
        return count
    }

    private func encodeMore() throws {
        guard let source, let run = runs.first else { return try finish() }
        let room = min(batch.bytes.count / pageSize.bytes, run.count) * pageSize.bytes
        let pages = try source.read(
            from: PageNumber(run.lowerBound),
            into: UnsafeMutableRawBufferPointer(rebasing: batch.bytes[..<room])
        )
        guard pages > 0 else {
            throw SnapshotError(name, "the read ended at page \(run.lowerBound) of \(pageCount)")
        }
        for index in 0..<pages {
            let number = PageNumber(run.lowerBound + UInt32(index))
            guard number != pageSize.lockPage else { continue }
            let start = index * pageSize.bytes
            let page = UnsafeRawBufferPointer(rebasing: batch.bytes[start..<start + pageSize.bytes])
            if kind == .snapshot { checksum.toggle(PageChecksum.compute(number, page)) }
            try encoder.append(page: number, data: page)
        }
        if pages == run.count {
            runs.removeFirst()
        } else {
            runs[runs.startIndex] = run.lowerBound + UInt32(pages)...run.upperBound
        }
        if runs.isEmpty { try finish() }
    }

    private func finish() throws {
        guard kind == .difference || checksum == end.postApply else {
            throw SnapshotError(name, "its pages have checksum \(checksum), its position is \(end)")
        }
        _ = try encoder.finish(postApply: end.postApply)
        isFinished = true
    }

    private func report(_ what: String) {
        let seconds = (MonotonicTime.now - start).seconds
        logger.info(
            "\(kind) \"\(name)\" @ \(end.txid): \(what)",
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
