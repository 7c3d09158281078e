import LTX
import POSIX
import Store

/// How far a replica is behind, from what it hears of the primary's clock.
///
/// The clocks of two nodes differ, so they are never compared. The primary's time now is estimated from its heartbeats: they
/// take a while to arrive, and the quickest of the last minutes tells how the primary's clock stands to the monotonic clock
/// here. The lag is that time less the time as of which everything is applied. It grows while nothing is heard.
struct LagClock: Sendable {
    /// How long the quickest heartbeat counts, so that clocks may drift.
    private static let window = Duration.seconds(60)
    /// Transactions that are remembered one by one for each database; of more, the oldest count.
    private static let maximumPending = 1024

    private struct Pending {
        var txid: TXID
        var timestamp: Int64
    }

    private var isReady = false
    /// The time at the primary as of which everything was received; nil before the first Ready.
    private var receivedAsOf: Int64?
    private var pending: [DatabaseName: [Pending]] = [:]

    /// Monotonic time here minus time there, in milliseconds: the least of this window and of the one before.
    private var offset: Int64?
    private var previousOffset: Int64?
    private var windowEnd: MonotonicTime?

    // MARK: - Events

    /// A stream begins. What was received before and never applied counts no longer, unless it is `expected`.
    mutating func connected(expected: [DatabaseName: TXID]) {
        isReady = false
        for (name, list) in pending {
            let kept = list.filter { $0.txid <= expected[name] ?? .zero }
            pending[name] = kept.isEmpty ? nil : kept
        }
    }

    /// Everything that the primary had was received.
    mutating func ready() { isReady = true }

    /// A heartbeat came.
    mutating func heard(primaryMilliseconds: Int64, at now: MonotonicTime) {
        let sample = Self.milliseconds(now).subtractingReportingOverflow(primaryMilliseconds)
        guard !sample.overflow else { return }
        if let end = windowEnd, now < end {
            offset = min(offset ?? sample.partialValue, sample.partialValue)
        } else {
            (previousOffset, offset) = (offset, sample.partialValue)
            windowEnd = now + Self.window
        }
        if isReady { receivedAsOf = max(receivedAsOf ?? .min, primaryMilliseconds) }
    }

    /// A transaction was received.
    mutating func received(_ name: DatabaseName, _ txid: TXID, timestamp: Int64, isSnapshot: Bool) {
        if isReady, let known = receivedAsOf { receivedAsOf = max(known, timestamp) }
        var list = isSnapshot ? [] : pending[name] ?? []
        if list.count >= Self.maximumPending {
            list[list.count - 1].txid = txid
        } else {
            list.append(Pending(txid: txid, timestamp: timestamp))
        }
        pending[name] = list
    }

    /// Databases of which something was received that is perhaps not applied.
    var pendingNames: [DatabaseName] { Array(pending.keys) }

    /// A database has applied everything up to a transaction.
    mutating func applied(_ name: DatabaseName, through txid: TXID) {
        guard let list = pending[name] else { return }
        let rest = list.drop { $0.txid <= txid }
        pending[name] = rest.isEmpty ? nil : Array(rest)
    }

    // MARK: - Lag

    /// The lag of the node in milliseconds, at least 0; nil before the first Ready.
    func lag(at now: MonotonicTime) -> Int64? {
        lag(asOf: pending.values.compactMap { $0.first?.timestamp }.min(), at: now)
    }

    /// The lag of one database in milliseconds, at least 0; nil before the first Ready.
    func lag(of name: DatabaseName, at now: MonotonicTime) -> Int64? {
        lag(asOf: pending[name]?.first?.timestamp, at: now)
    }

    private func lag(asOf oldest: Int64?, at now: MonotonicTime) -> Int64? {
        guard let receivedAsOf, let offset = [offset, previousOffset].compactMap({ $0 }).min() else { return nil }
        // Not after what was received: a primary whose clock jumped back shall not make the lag disappear.
        let synced = min(receivedAsOf, oldest ?? .max)
        let there = Self.milliseconds(now).subtractingReportingOverflow(offset)
        let lag = there.partialValue.subtractingReportingOverflow(synced)
        guard !there.overflow, !lag.overflow else { return 0 }
        return max(0, lag.partialValue)
    }

    private static func milliseconds(_ time: MonotonicTime) -> Int64 { time.nanoseconds / 1_000_000 }
}
