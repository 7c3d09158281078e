import JSON
import LTX
import Logging
import POSIX
import Store
import Synchronization

/// Tells the listeners of `/events` what happens on this node: transactions, and which node is the primary.
///
/// Each listener has a queue of its own, so nobody waits for one that does not read: its stream ends when the queue is full.
/// Thread-safe. Its locks stand above those of databases: it asks for what a database says while it tells, so that what is told is
/// never older than what was told before. It is told on threads that store transactions, so it asks for nothing that waits for them.
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
    /// Held while something is told, so that all listeners hear everything in one order.
    private let telling = Mutex<Void>(())
    private let state = Guarded(State())
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
        telling.withLock { _ in
            let stream = EventStream(remoteAddress: remoteAddress)
            stream.add(Self.line("init", primary: isPrimary, hostname()))
            state.withLock { state in
                if state.pointee.isEnded { stream.end() } else { state.pointee.listeners.append(stream) }
            }
            return stream
        }
    }

    /// Tells of the newest transaction of a database.
    ///
    /// Transactions that are stored together are one event, that of the last of them.
    public func transactionsAppeared(in database: Database) {
        guard state.withLock({ !$0.pointee.listeners.isEmpty }) else { return }
        telling.withLock { _ in
            let summary = database.currentSummary
            let isNews = state.withLock { state in
                guard state.pointee.told[database.name] != summary.position else { return false }
                state.pointee.told[database.name] = summary.position
                return true
            }
            if isNews { tell(Self.line(database.name, summary)) }
        }
    }

    /// Databases that come and go are told by their transactions.
    public func visibilityChanged(of database: Database) {}

    /// Tells that this node is connected to another primary, or is not any more.
    public func primaryChanged(hostname: String?) {
        telling.withLock { _ in tell(Self.line("primaryChange", primary: isPrimary, hostname)) }
    }

    /// Ends all streams; later ones end at once.
    public func end() {
        let listeners = state.withLock { state in
            defer { state.pointee.listeners = [] }
            state.pointee.isEnded = true
            return state.pointee.listeners
        }
        for listener in listeners { listener.end() }
    }

    private func tell(_ line: [UInt8]) {
        let listeners = state.withLock { $0.pointee.listeners }
        var gone: [EventStream] = []
        for listener in listeners where !listener.add(line) {
            if listener.isOverrun {
                logger.warning(
                    "http: event stream buffer exceeded, disconnecting",
                    ["remote": .string(listener.remoteAddress)]
                )
            }
            gone.append(listener)
        }
        if gone.isEmpty { return }
        state.withLock { state in
            state.pointee.listeners.removeAll { listener in gone.contains { $0 === listener } }
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
