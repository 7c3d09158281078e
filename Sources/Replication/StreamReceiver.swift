import LTX
import Logging
import POSIX
import Store

/// The receiving end of one stream: takes its bytes and hands transactions to their databases.
///
/// A database that refuses a transaction is left out of the rest of the stream, so that the others go on; some time later the
/// stream is ended, because the next one begins with what that database needs. For one thread.
final class StreamReceiver {
    private static let checkInterval = Duration.seconds(1)

    private let target: any StreamTarget
    private let lag: LagTracker
    private let failures: ReceiveFailures
    private let logger: Logger
    private let onReady: () -> Void

    private var decoder = StreamDecoder()
    private var current: Current?
    /// Databases that must have a position as long as nothing is wrong with them.
    private var positioned: Set<DatabaseName>
    /// Databases that are left out, and the moment when the stream ends because of the first of them.
    private var failed: Set<DatabaseName> = []
    private var retry: MonotonicTime?
    /// Databases whose names are no database's here.
    private var ignored: Set<DatabaseName> = []
    private var nextCheck = MonotonicTime.now
    private(set) var isReady = false

    /// The transaction that is being received; without a receiver when it is ignored.
    private struct Current {
        let name: DatabaseName
        var database: (any ReceivingDatabase)?
        var receiver: (any TransactionReceiver)?
        /// The first bytes of the file, up to the whole header.
        var head: [UInt8] = []
    }

    /// A receiver for the answer to a request with `positions`.
    init(
        target: any StreamTarget,
        positions: PositionMap,
        lag: LagTracker,
        failures: ReceiveFailures,
        logger: Logger,
        onReady: @escaping () -> Void
    ) {
        self.target = target
        self.lag = lag
        self.failures = failures
        self.logger = logger
        self.onReady = onReady
        positioned = Set(positions.positions.keys)
        lag.update { $0.connected(expected: positions.positions.mapValues(\.txid)) }
    }

    /// Takes the next bytes.
    ///
    /// - Throws: when they are no stream, the node is closing, or the stream should be begun again.
    func take(_ bytes: UnsafeRawBufferPointer) throws {
        try decoder.feed(bytes) { event in
            switch event {
            case .ltxBytes(let part): try takePart(part)
            case .frame(let frame): try take(frame)
            }
        }
    }

    /// The answer is complete.
    func finish() throws { try decoder.finish() }

    private func take(_ frame: StreamFrame) throws {
        switch frame {
        case .ltxBegin(let name): try begin(name)
        case .ltxEnd: try end()
        case .ready:
            isReady = true
            lag.update { $0.ready() }
            onReady()
        case .heartbeat(let milliseconds):
            lag.update { $0.heard(primaryMilliseconds: milliseconds, at: .now) }
            try checkDatabases()
        case .dropDatabase(let name):
            logger.debug("the primary has no database \"\(name)\"; it stays here as it is")
        case .compare(let name):
            throw StreamComparison(database: name)
        case .handoff:
            logger.warning("the primary offered its lease, which this node cannot take; ignored")
        case .highWaterMark, .end:
            break
        }
    }

    // MARK: - Transactions

    private func begin(_ name: DatabaseName) throws {
        current = Current(name: name)
        guard !failed.contains(name) else { return }
        guard target.takes(name) else { return sayIgnored(name) }
        try contained {
            let database = try target.receivingDatabase(name)
            current?.database = database
            current?.receiver = database.receiver()
        }
    }

    /// Says once in a stream that what comes for a name is ignored.
    private func sayIgnored(_ name: DatabaseName) {
        guard ignored.insert(name).inserted else { return }
        logger.warning(
            "database \"\(name)\" of the primary is not taken: data.local says that files of this name stay on each node; "
                + "give all nodes the same data.local"
        )
    }

    private func takePart(_ part: UnsafeRawBufferPointer) throws {
        guard let receiver = current?.receiver else { return }
        if let count = current?.head.count, count < LTXHeader.byteCount {
            current?.head.append(contentsOf: part.prefix(LTXHeader.byteCount - count))
        }
        try contained { try receiver.write(part) }
    }

    private func end() throws {
        defer { current = nil }
        guard let ended = current, let receiver = ended.receiver else { return }
        var isReceived = false
        // Noted before it can be applied.
        if let header = try? ended.head.withUnsafeBytes({ try LTXHeader(decoding: $0) }) {
            lag.update {
                $0.received(
                    ended.name,
                    header.maxTXID,
                    timestamp: header.timestampMilliseconds,
                    isSnapshot: header.isSnapshot,
                    at: .now
                )
            }
        }
        try contained {
            try receiver.finish()
            isReceived = true
        }
        if isReceived { positioned.insert(ended.name) }
        // Under load there are no heartbeats.
        if MonotonicTime.now >= nextCheck { try checkDatabases() }
    }

    /// Runs a step of the current transaction; a failure is that of its database.
    private func contained(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch StoreError.closing {
            throw StoreError.closing
        } catch {
            guard let name = current?.name else { throw error }
            let database = current?.database
            current?.receiver = nil
            leaveOut(name, database, "\(error)", isRejection: Self.isRejection(error))
        }
    }

    private static func isRejection(_ error: any Error) -> Bool {
        if case StoreError.rejected = error { true } else { false }
    }

    private func leaveOut(
        _ name: DatabaseName,
        _ database: (any ReceivingDatabase)?,
        _ reason: String,
        isRejection: Bool
    ) {
        failed.insert(name)
        positioned.remove(name)
        let delay = failures.failed(name)
        let moment = MonotonicTime.now + delay
        retry = min(retry ?? moment, moment)
        logger.warning("database \"\(name)\": \(reason); will connect again for it")
        // Once may be damage on the way. Twice means that what is here does not fit what the primary has.
        if isRejection, failures.count(name) > 1 { database?.requestResync(reason: reason) }
    }

    /// Looks for databases that want to be received as a whole, and ends the stream when it is time.
    private func checkDatabases() throws {
        nextCheck = .now + Self.checkInterval
        for database in target.receivingDatabases where positioned.contains(database.name) {
            if let position = database.positionForStream {
                if failures.count(database.name) > 0, database.appliedPosition == position {
                    failures.succeeded(database.name)
                }
            } else {
                leaveOut(database.name, database, "it must be received as a whole", isRejection: false)
            }
        }
        if let retry, isReady, MonotonicTime.now >= retry { throw StreamRestart(databases: failed.sorted()) }
    }
}

/// The stream ends because some databases need to be sent anew.
struct StreamRestart: Error, CustomStringConvertible {
    let databases: [DatabaseName]

    var description: String {
        "connecting again for \(databases.map { "\"\($0)\"" }.joined(separator: ", "))"
    }
}

/// The stream ends because the primary wants to send no more than what differs of a database.
struct StreamComparison: Error {
    let database: DatabaseName
}
