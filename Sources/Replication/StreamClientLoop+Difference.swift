import HTTP
import LTX
import POSIX
import SQLiteFormat
import Store

// Asking for what differs (POST /difference), before a stream is asked for.
extension StreamClientLoop {
    /// Brings databases whose state cannot be continued from to the primary's, by what differs.
    ///
    /// A database for which that fails gets a snapshot in the stream.
    ///
    /// - Parameters:
    ///   - asked: Databases that the primary told to compare.
    ///   - client: The client.
    ///   - primary: Whom it asks.
    ///   - http: Its connection.
    /// - Returns: The databases for which a difference came, and those for which it did not and a snapshot is needed.
    /// - Throws: When the primary cannot be reached, or no longer.
    mutating func fetchDifferences(
        _ asked: Set<DatabaseName>,
        _ client: StreamClient,
        _ primary: StreamClient.Primary,
        _ http: HTTPClient
    ) throws -> (received: Set<DatabaseName>, failed: Set<DatabaseName>) {
        let patience = MonotonicTime.now + Self.patience
        var received: Set<DatabaseName> = []
        var failed: Set<DatabaseName> = []
        for database in client.target.receivingDatabases {
            let name = database.name
            guard client.options.databases?.contains(name) ?? true, !client.isStopping,
                asked.contains(name) || database.positionForStream == nil
            else { continue }
            guard client.mayCompare(name), let content = database.comparableContent() else {
                // One that has nothing needs no comparison, and is told so only when it has something.
                if asked.contains(name) { failed.insert(name) }
                continue
            }
            do {
                try fetchDifference(database, content, client, primary, http, patience)
                received.insert(name)
                breaks = 0
            } catch PrimaryRefusal.status(404, _, _) where !asked.contains(name) {
                // The primary has no such database; or it knows nothing of differences, and will not tell to compare.
                continue
            } catch DifferenceError.brokenOff(let reason) where breaks < Self.breakLimit {
                breaks += 1
                throw PrimaryRefusal.unreachable(url: primary.url, reason: reason)
            } catch let error where Self.isUnreachable(error) {
                throw error
            } catch {
                failed.insert(name)
                client.logger.info(
                    "database \"\(name)\": cannot get what differs, will ask for all of it: \(error)"
                )
            }
        }
        return (received, failed)
    }

    /// How long to wait for a primary that cannot read databases now, and between two questions.
    private static let patience = Duration.seconds(10)
    /// So many times in a row an answer may break off before a snapshot is asked for.
    private static let breakLimit = 2
    private static let pause = Duration.milliseconds(200)

    private func fetchDifference(
        _ database: any ReceivingDatabase,
        _ content: ComparableContent,
        _ client: StreamClient,
        _ primary: StreamClient.Primary,
        _ http: HTTPClient,
        _ patience: MonotonicTime
    ) throws {
        let change = client.present.change
        var comparison = PageComparison(pageSize: content.pageSize, checksums: content.checksums)
        while true {
            let blocks: [UInt32]?
            do {
                blocks = try ask(comparison, database, client, primary, http)
            } catch PrimaryRefusal.status(503, _, _)
                where MonotonicTime.now < patience && client.pause(Self.pause, after: change)
            {
                // A program there is in the middle of a transaction.
                continue
            }
            guard let blocks else { return }
            guard !comparison.acceptsWholeBlocks else { throw DifferenceError.noEnd }
            guard comparison.describe(blocks, of: content.checksums) else {
                throw DifferenceError.tooMuch(blocks: blocks.count)
            }
        }
    }

    /// Asks once; a transaction goes to the database.
    ///
    /// - Returns: the blocks to describe; nil when the transaction came.
    private func ask(
        _ comparison: PageComparison,
        _ database: any ReceivingDatabase,
        _ client: StreamClient,
        _ primary: StreamClient.Primary,
        _ http: HTTPClient
    ) throws -> [UInt32]? {
        let receiver = database.receiver(ofDifferenceFrom: comparison.databaseChecksum)
        var fields = headers(client.target)
        fields[NodeHeaders.log] = database.recentPositions(NodeHeaders.mostPositions).map(\.description)
            .joined(separator: ",")
        var status = 0
        var head: [UInt8] = []
        var isTransaction = false
        do {
            try http.stream(
                "POST",
                Self.differenceURL(primary.url, database.name),
                headers: fields,
                body: comparison.encoded(),
                onResponse: { received, headers in
                    status = received
                    guard status == 200 else { return }
                    try join(headers[NodeHeaders.clusterID], client.target)
                    database.noteCommon(headers[NodeHeaders.common].flatMap { Position($0) })
                },
                onBytes: { bytes in
                    var rest = bytes
                    if status == 200, !isTransaction {
                        head.append(contentsOf: rest.takePrefix(4 - min(head.count, 4)))
                        isTransaction = Self.isTransaction(head)
                    }
                    if isTransaction {
                        if !rest.isEmpty { try receiver.write(rest) }
                    } else {
                        let limit =
                            status == 200 ? PageComparison.maximumByteCount : PrimaryRefusal.maximumText
                        guard rest.count <= limit - head.count || status != 200 else {
                            throw DifferenceError.invalidAnswer
                        }
                        head.append(contentsOf: rest.prefix(limit - head.count))
                    }
                }
            )
        } catch let error as HTTPClientError where status == 200 {
            throw DifferenceError.brokenOff(error.reason)
        }
        guard status == 200 else {
            throw PrimaryRefusal(status: status, text: head, url: primary.url)
        }
        if isTransaction {
            try receiver.finish()
            return nil
        }
        return try PageComparison.blocks(decoding: head)
    }

    private static func isTransaction(_ head: [UInt8]) -> Bool {
        var mark: [UInt8] = []
        mark.appendBigEndian(PageComparison.Answer.transaction.rawValue)
        return head == mark
    }
}

/// Why what differs cannot be had.
enum DifferenceError: Error, CustomStringConvertible {
    /// So much differs that a snapshot is better.
    case tooMuch(blocks: Int)
    /// The primary asks for blocks again and again.
    case noEnd
    /// The answer is neither a list nor a transaction.
    case invalidAnswer
    /// The answer ended too early.
    case brokenOff(String)

    var description: String {
        switch self {
        case .tooMuch(let blocks): "\(blocks) blocks of pages differ"
        case .noEnd: "the primary asks for more and more checksums"
        case .brokenOff(let reason): "the answer with what differs broke off: \(reason)"
        case .invalidAnswer: "the primary's answer is neither a list of blocks nor a transaction"
        }
    }
}
