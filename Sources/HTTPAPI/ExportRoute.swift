import HTTP
import Logging
import POSIX
import Replication
import SQLiteFormat
import Store

/// Answers GET /export?name=: the database as an SQLite file, as it is at one position.
struct ExportRoute: Sendable {
    /// How long a program in the middle of a transaction is waited for.
    private static let patience = Duration.seconds(30)

    let source: any StreamSource
    let logger: Logger

    @Sendable func handle(_ request: HTTPRequest) -> HTTPResponse {
        guard let text = request.parameter("name"), !text.isEmpty else { return .error(400, "name required") }
        guard let name = try? DatabaseName(text), let database = source.streamableDatabase(name) else {
            return .error(404, "database not found")
        }
        do {
            let read = try database.consistentRead(deadline: .now + Self.patience)
            let length = UInt64(read.pageCount) * UInt64(read.pageSize.rawValue)
            let body = ExportBody(name, read, source: source, logger: logger)
            return HTTPResponse(
                headers: ["Content-Type": "application/octet-stream"],
                body: .stream(body, length: length)
            )
        } catch StoreError.unknownDatabase {
            return .error(404, "database not found")
        } catch {
            return .error(500, "write snapshot: \(error)")
        }
    }
}

/// The pages of a database, one after the other.
private final class ExportBody: ResponseBody, @unchecked Sendable {
    // SAFETY: `read` is called by one thread at a time, and nobody else touches the mutable properties.

    private static let batchByteCount = 256 << 10

    private let name: DatabaseName
    private let pages: any ConsistentRead
    private let source: any StreamSource
    private let logger: Logger
    private let batch: Buffer
    /// What of the batch was not given out yet.
    private var start = 0
    private var end = 0
    private var nextPage: UInt32 = 1

    init(_ name: DatabaseName, _ pages: any ConsistentRead, source: any StreamSource, logger: Logger) {
        self.name = name
        self.pages = pages
        self.source = source
        self.logger = logger
        batch = Buffer(count: max(pages.pageSize.bytes, Self.batchByteCount))
    }

    deinit {
        pages.end()
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if start == end { try fill() }
        let count = min(buffer.count, end - start)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: batch.bytes[start..<start + count]))
        start += count
        return count
    }

    private func fill() throws {
        guard nextPage >= 1, nextPage <= pages.pageCount else { return }
        let count: Int
        do {
            count = try pages.read(from: PageNumber(nextPage), into: batch.bytes)
        } catch {
            logger.error("export of database \"\(name)\" cut off: \(error)")
            throw error
        }
        nextPage &+= UInt32(count)
        (start, end) = (0, count * pages.pageSize.bytes)
        if nextPage > pages.pageCount {
            logger.info(
                "\(NodeHeaders.text(nodeID: source.nodeID)): snapshot successfully exported @ \(pages.position)",
                ["db": .string(name.text)]
            )
        }
    }

    /// The read ends with this object, when nobody can be in it any longer.
    func cancel() {}
}
