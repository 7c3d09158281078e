import HTTP
import LTX
import POSIX
import Store

// POST /difference: what differs between a replica's database and the one here, as one transaction (`PageComparison`).
extension StreamServer {
    /// Answers POST /difference; `db` in the query names the database.
    ///
    /// No lock is held while the pages are sent: it is a consistent read, like a snapshot.
    ///
    /// - Parameter request: The request, whose body is a `PageComparison`.
    /// - Returns: The blocks that must be described, or an LTX file; 409 when only a snapshot will do, 503 when the database cannot
    ///   be read now.
    @Sendable public func handleDifference(_ request: HTTPRequest) -> HTTPResponse {
        answer { () throws(Refusal) in
            let nodeID = try peer(of: request)
            guard let text = request.parameter("db") else {
                throw Refusal(status: 400, message: "name a database, as in /difference?db=NAME")
            }
            let name = try parsed("db: ") { () throws(DatabaseNameError) in try DatabaseName(text) }
            let comparison = try parsed { () throws(PageComparisonError) in
                try PageComparison(decoding: request.body)
            }
            var response = try difference(of: name, comparison, nodeID)
            response.headers[NodeHeaders.common] =
                common(of: name, request.headers[NodeHeaders.log])?.description
            return response
        }
    }

    /// The first position of a list that the log knows.
    private func common(of name: DatabaseName, _ text: String?) -> Position? {
        guard let text, let log = source.streamableDatabase(name)?.log else { return nil }
        return text.split(separator: ",").prefix(NodeHeaders.mostPositions).lazy
            .compactMap { Position(String($0)) }
            .first { log.knows($0) }
    }

    private func difference(
        of name: DatabaseName,
        _ theirs: PageComparison,
        _ nodeID: UInt64
    ) throws(Refusal) -> HTTPResponse {
        guard let database = source.streamableDatabase(name) else {
            throw Refusal(status: 404, message: "database not found: \(name)")
        }
        let read: any ConsistentRead
        guard database.storedPosition.postApply != .empty else {
            throw Refusal(status: 409, message: "database \(name) has no pages")
        }
        do {
            read = try database.consistentRead(deadline: .now + options.snapshotWait)
        } catch {
            throw Refusal(status: 503, message: "\(error)")
        }
        var isSent = false
        defer { if !isSent { read.end() } }
        // A file that begins with the first transaction holds everything.
        guard read.pageSize == theirs.pageSize, read.position.txid > TXID(1) else {
            throw Refusal(status: 409, message: "database \(name) is not one whose pages can be compared")
        }
        let (pages, unknown) = theirs.difference(to: read.checksums, lockPage: read.pageSize.lockPage)
        guard unknown.isEmpty else {
            return HTTPResponse(body: .bytes(PageComparison.encoded(unknown)))
        }
        let count = pages.reduce(0) { $0 + $1.count }
        logger.info(
            "\(NodeHeaders.text(nodeID: nodeID)): \(count) of \(read.pageCount) pages differ @ \(read.position)",
            ["db": .string(name.text)]
        )
        do {
            let file = try OutgoingSnapshot(
                of: name,
                read,
                only: OutgoingSnapshot.Difference(preApply: theirs.databaseChecksum, pages: pages),
                isCompressed: options.compressesSnapshots,
                nodeID: source.nodeID,
                logger: logger
            )
            isSent = true
            countFrame(of: name, type: file.frameType)
            return HTTPResponse(body: .stream(DifferenceBody(file)))
        } catch {
            throw Refusal(status: 503, message: "\(error)")
        }
    }
}

/// The body of an answer with what differs.
private final class DifferenceBody: ResponseBody, @unchecked Sendable {
    // SAFETY: `read` is called by one thread at a time, and only it touches the file and `hasBegun`.
    private let file: any OutgoingFile
    private var hasBegun = false
    private let isCancelled = Guarded(false)

    init(_ file: any OutgoingFile) {
        self.file = file
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if isCancelled.withLock({ $0.pointee }) { throw StreamCancelled() }
        guard hasBegun else {
            hasBegun = true
            var mark: [UInt8] = []
            mark.appendBigEndian(PageComparison.Answer.transaction.rawValue)
            // The server's buffers are never so short.
            precondition(buffer.count >= mark.count)
            mark.withUnsafeBytes { buffer.copyMemory(from: $0) }
            return mark.count
        }
        return try file.read(into: buffer)
    }

    func cancel() { isCancelled.withLock { $0.pointee = true } }
}
