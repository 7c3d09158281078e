import JSON
import LTX
import Logging
import POSIX
import Store
import Synchronization

/// Tells the listeners of `/events` what happens on this node: transactions, and which node is the primary.
///
/// Each listener has a queue of its own, so nobody waits for one that does not read: its stream ends when the queue is full.
/// Thread-safe. Its lock stands above those of databases, and is held while something is told: so all listeners hear everything in one
/// order, and never something older than what was told before. It is told on threads that store transactions, so it asks a database
/// for nothing that waits for them.
public final class EventHub: StoreObserver {
    /// Events that wait for a listener; as many as LiteFS keeps.
    static let queueBound = 1024

    private struct State {
        var listeners: [EventStream] = []
        /// The last position that was told of each database.
        var told: [DatabaseName: Position] = [:]
        var isEnded = false
    }

    private let isPrimary: Bool
    private let state = Mutex(State())
    private let logger: Logger

    /// A hub of a node that is, or is not, the primary.
    public init(isPrimary: Bool, logger: Logger) {
        self.isPrimary = isPrimary
        self.logger = logger
    }

    /// Begins to listen.
    ///
    /// The first event says which node is the primary.
    ///
    /// - Parameters:
    ///   - hostname: gives the primary's name, when this node is connected to another one.
    ///   - remoteAddress: of the listener, for the log.
    /// - Returns: the body of the answer; it ends with the node, with the connection, or when the listener does not read.
    func listen(hostname: () -> String?, remoteAddress: String) -> EventStream {
        let stream = EventStream(remoteAddress: remoteAddress)
        state.withLock { state in
            stream.add(Self.line("init", primary: isPrimary, hostname()))
            if state.isEnded { stream.end() } else { state.listeners.append(stream) }
        }
        return stream
    }

    /// Tells of the newest transaction of a database.
    ///
    /// Transactions that are stored together are one event, that of the last of them.
    public func transactionsAppeared(in database: Database) {
        state.withLock { state in
            if state.listeners.isEmpty { return }
            let summary = database.currentSummary
            let last = state.told.updateValue(summary.position, forKey: database.name)
            if last != summary.position { tell(Self.line(database.name, summary), &state) }
        }
    }

    /// Databases that come and go are told by their transactions.
    public func visibilityChanged(of database: Database) {}

    /// Tells that this node is connected to another primary, or is not any more.
    public func primaryChanged(hostname: String?) {
        state.withLock { tell(Self.line("primaryChange", primary: isPrimary, hostname), &$0) }
    }

    /// Ends all streams; later ones end at once.
    public func end() {
        state.withLock { state in
            for listener in state.listeners { listener.end() }
            state.listeners = []
            state.isEnded = true
        }
    }

    /// Adds a line to all streams, and forgets those that have ended.
    private func tell(_ line: [UInt8], _ state: inout State) {
        state.listeners.removeAll { listener in
            if listener.add(line) { return false }
            if listener.isOverrun {
                logger.warning(
                    "http: event stream buffer exceeded, disconnecting",
                    ["remote": .string(listener.remoteAddress)]
                )
            }
            return true
        }
    }

    // MARK: - Lines

    private static func line(_ type: String, primary: Bool, _ hostname: String?) -> [UInt8] {
        line { writer in
            writer.member("type", type)
            writer.name("data")
            writer.object { writer in
                writer.member("isPrimary", primary)
                if let hostname, !primary { writer.member("hostname", hostname) }
            }
        }
    }

    private static func line(_ name: DatabaseName, _ summary: Database.Summary) -> [UInt8] {
        line { writer in
            writer.member("type", "tx")
            writer.member("db", name.text)
            writer.name("data")
            writer.object { writer in
                writer.member("txID", summary.position.txid.description)
                writer.member("postApplyChecksum", summary.position.postApply.description)
                writer.member("pageSize", summary.pageSize)
                writer.member("commit", summary.pageCount)
                writer.member("timestamp", WallClock.text(milliseconds: summary.timestamp))
            }
        }
    }

    private static func line(_ members: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter(style: .compact)
        writer.object { members(&$0) }
        writer.newline()
        return writer.bytes
    }
}
