import HTTP
import Logging
import Metrics
import POSIX
import Store

/// Keeps a replica connected to its primary: asks for a stream, hands over what arrives, and connects again when it ends.
///
/// Works on a thread of its own, `stream-client`. Everything else may be called from any thread.
public final class StreamClient: Sendable {
    /// Where the primary is, and how it is asked.
    public struct Options: Sendable {
        /// The primary, as long as nothing else is said (`follow`); nil when it is not known.
        public var primary: Primary?
        /// The delay before the second attempt; it doubles up to ten seconds, and to two as long as the primary cannot be
        /// reached.
        public var reconnectDelay: Duration = .seconds(1)
        /// Databases that are wanted; nil for all.
        public var databases: Set<DatabaseName>?
        /// Time without a byte after which the primary counts as dead.
        ///
        /// It says something each second. Both ends notice within five seconds that the other is gone.
        public var silence: Duration = .seconds(4)

        /// Options with the usual times.
        public init(primary: Primary?) { self.primary = primary }
    }

    /// Where a primary is.
    public struct Primary: Equatable, Sendable {
        /// Its URL; only scheme, host and port count.
        public var url: String
        /// Its name, as the special file `.primary` shows it.
        public var hostname: String

        /// Joins both.
        public init(url: String, hostname: String) {
            self.url = url
            self.hostname = hostname
        }
    }

    /// What others want to know at once.
    ///
    /// Called on the client's thread, which waits for them.
    public struct Events: Sendable {
        /// A stream began, or ended.
        ///
        /// Called only when this changes.
        public var connectionChanged: @Sendable (_ isConnected: Bool) -> Void
        /// Everything that the primary had when the stream began was received; once for each stream.
        public var ready: @Sendable () -> Void

        /// Events with what they lead to.
        public init(
            connectionChanged: @escaping @Sendable (_ isConnected: Bool) -> Void = { _ in },
            ready: @escaping @Sendable () -> Void = {}
        ) {
            self.connectionChanged = connectionChanged
            self.ready = ready
        }
    }

    /// What is known about the connection.
    public struct Status: Sendable, Equatable {
        /// Whether a stream is open.
        public internal(set) var isConnected = false
        /// Whether everything that the primary had when the stream began was received.
        public internal(set) var isReady = false
        /// Why the last stream ended or did not begin; nil when it ended in order.
        public internal(set) var lastError: String?
    }

    private struct State {
        var status = Status()
        var isStopping = false
        var http: HTTPClient?
        var thread: Thread?
        var primary: Primary?
        /// Grows with each change of `primary`.
        var changes = 0
    }

    let options: Options
    let target: any StreamTarget
    let logger: Logger
    private let events: Events
    private let tracker: LagTracker
    private let failures: ReceiveFailures
    private let state: Guarded<State>

    /// A client that is not connected yet; `start()` begins.
    public init(
        options: Options,
        target: any StreamTarget,
        logger: Logger,
        registry: MetricsRegistry,
        events: Events = Events()
    ) {
        self.options = options
        self.target = target
        self.logger = logger
        self.events = events
        tracker = LagTracker(target: target)
        failures = ReceiveFailures(first: options.reconnectDelay)
        state = Guarded(State(primary: options.primary))
        registerMetrics(registry)
    }

    // MARK: - Life

    /// Starts the thread, which keeps the client alive until `stop()`.
    public func start() {
        state.withLock { state in
            guard state.pointee.thread == nil, !state.pointee.isStopping else { return }
            state.pointee.thread = Thread("stream-client") { [self] in
                var loop = StreamClientLoop(first: options.reconnectDelay)
                while loop.attempt(self) {}
            }
        }
    }

    /// Follows another primary from now on, or nobody; the stream from the one before ends.
    public func follow(_ primary: Primary?) {
        let http = state.withLock { state -> HTTPClient? in
            guard state.pointee.primary != primary else { return nil }
            state.pointee.primary = primary
            state.pointee.changes += 1
            return state.pointee.http
        }
        http?.cancel()
        state.wakeAll()
    }

    /// Ends the stream and asks the thread to end; returns at once.
    public func cancel() {
        let http = state.withLock { state in
            state.pointee.isStopping = true
            return state.pointee.http
        }
        http?.cancel()
        state.wakeAll()
    }

    /// Ends the stream and waits for the thread.
    ///
    /// A transaction that waits for room in an apply queue ends that wait only when it gets room or the store closes.
    public func stop() {
        cancel()
        let thread = state.withLock { $0.pointee.thread }
        thread?.join()
    }

    // MARK: - What is known

    /// What is known about the connection now.
    public var status: Status { state.withLock { $0.pointee.status } }

    /// How far this node is behind.
    public var lag: Lag { Lag(tracker.current().lag(at: .now)) }

    /// How far a database is behind.
    public func lag(of name: DatabaseName) -> Lag { Lag(tracker.current().lag(of: name, at: .now)) }

    private func registerMetrics(_ registry: MetricsRegistry) {
        let tracker = tracker
        registry.gauge("litefs_lag_seconds", help: "How far this node is behind the primary.") {
            Lag(tracker.current().lag(at: .now)).seconds
        }
        registry.collect(
            "litefs_db_lag_seconds",
            help: "How far a database is behind the primary's.",
            kind: .gauge
        ) {
            [weak target] in
            let clock = tracker.current()
            let now = MonotonicTime.now
            return (target?.receivingDatabases ?? [])
                .map { database in
                    MetricSample(
                        Lag(clock.lag(of: database.name, at: now)).seconds,
                        labels: ["db": database.name.text]
                    )
                }
        }
    }

    // MARK: - For the thread

    var isStopping: Bool { state.withLock { $0.pointee.isStopping } }

    /// The primary, and a number by which a later one is told from it.
    var present: (primary: Primary?, change: Int) {
        state.withLock { ($0.pointee.primary, $0.pointee.changes) }
    }

    /// Makes the connection of one attempt one that `cancel` and `follow` reach; false when it is too late.
    func use(_ http: HTTPClient?, for change: Int) -> Bool {
        state.withLock { state in
            state.pointee.http = http
            return !state.pointee.isStopping && state.pointee.changes == change
        }
    }

    /// Whether what differs is worth asking for: what was received last did not turn out to be wrong.
    func mayCompare(_ name: DatabaseName) -> Bool { failures.count(name) == 0 }

    func makeReceiver(_ positions: PositionMap) -> StreamReceiver {
        StreamReceiver(
            target: target,
            positions: positions,
            lag: tracker,
            failures: failures,
            logger: logger,
            onReady: { [self] in
                state.withLock { $0.pointee.status.isReady = true }
                events.ready()
            }
        )
    }

    func noteConnected() {
        state.withLock {
            $0.pointee.status.isConnected = true
            $0.pointee.status.lastError = nil
        }
        events.connectionChanged(true)
    }

    func noteDisconnected(_ reason: String?) {
        let wasConnected = state.withLock { state in
            defer { state.pointee.status = Status(lastError: reason) }
            return state.pointee.status.isConnected
        }
        if wasConnected { events.connectionChanged(false) }
    }

    /// Waits before the next attempt, or until there is another primary than at that change; false when the client stops.
    func pause(_ duration: Duration, after change: Int) -> Bool {
        let deadline = MonotonicTime.now + duration
        return state.withLock { state in
            while !state.pointee.isStopping, state.pointee.changes == change, MonotonicTime.now < deadline {
                _ = self.state.wait(until: deadline)
            }
            return !state.pointee.isStopping
        }
    }
}
