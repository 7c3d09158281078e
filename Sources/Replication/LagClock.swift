import LTX
import POSIX
import Store

/// How far a replica is behind, from what it hears of the primary's clock.
///
/// The clocks of two nodes differ, so they are never compared. A time at the primary is turned into one of the monotonic
/// clock here by an offset: that of the heartbeat that came quickest during the last minutes, because no heartbeat comes
/// before it was sent. The lag is the time since the moment as of which everything is applied. It grows while nothing is
/// heard.
package struct LagClock: Sendable {
    /// How long the quickest heartbeat counts, so that clocks may drift.
    private static let window = Duration.seconds(60)
    /// Transactions that are remembered one by one for each database; of more, the oldest count.
    private static let maximumPending = 1024

    private struct Pending {
        var txid: TXID
        /// When it was committed, in milliseconds of the clock here.
        var committed: Int64
    }

    private var isReady = false
    /// The time, in milliseconds of the clock here, as of which everything was received; nil before the first Ready.
    private var receivedAsOf: Int64?
    private var pending: [DatabaseName: [Pending]] = [:]

    /// Time here minus time there, in milliseconds: the least of this window, and of the one before.
    private var offset: Int64?
    private var previousOffset: Int64?
    private var windowEnd = MonotonicTime(nanoseconds: 0)
    private var lastHeartbeat = Int64.min

    /// A clock that heard nothing.
    package init() {}

    // MARK: - Events

    /// A stream begins, perhaps of another primary.
    ///
    /// What was received before and is not `expected` will never be applied, and counts no longer.
    package mutating func connected(expected: [DatabaseName: TXID]) {
        isReady = false
        (offset, previousOffset) = (nil, nil)
        for (name, list) in pending {
            let kept = list.filter { $0.txid <= expected[name] ?? .zero }
            pending[name] = kept.isEmpty ? nil : kept
        }
    }

    /// Everything that the primary had was received.
    package mutating func ready() { isReady = true }

    /// A heartbeat came.
    package mutating func heard(primaryMilliseconds: Int64, at now: MonotonicTime) {
        let sample = Self.milliseconds(now).subtractingReportingOverflow(primaryMilliseconds)
        guard !sample.overflow else { return }
        // A clock that goes back was set: what was learnt of it is worth nothing.
        if primaryMilliseconds < lastHeartbeat { (offset, previousOffset) = (nil, nil) }
        lastHeartbeat = primaryMilliseconds
        if let offset, now < windowEnd {
            self.offset = min(offset, sample.partialValue)
        } else {
            (previousOffset, offset) = (offset, sample.partialValue)
            windowEnd = now + Self.window
        }
        if isReady { advance(to: local(primaryMilliseconds, at: now)) }
    }

    /// A transaction was received that was committed at `timestamp`, in milliseconds of the primary's clock.
    package mutating func received(
        _ name: DatabaseName,
        _ txid: TXID,
        timestamp: Int64,
        isSnapshot: Bool,
        at now: MonotonicTime
    ) {
        let committed = local(timestamp, at: now)
        if isReady, receivedAsOf != nil { advance(to: committed) }
        var list = isSnapshot ? [] : pending[name] ?? []
        if list.count >= Self.maximumPending {
            list[list.count - 1].txid = txid
        } else {
            list.append(Pending(txid: txid, committed: committed))
        }
        pending[name] = list
    }

    /// Databases of which something was received that is perhaps not applied.
    var pendingNames: [DatabaseName] { Array(pending.keys) }

    /// A database has applied everything up to a transaction.
    package mutating func applied(_ name: DatabaseName, through txid: TXID) {
        guard let list = pending[name] else { return }
        let rest = list.drop { $0.txid <= txid }
        pending[name] = rest.isEmpty ? nil : Array(rest)
    }

    // MARK: - Lag

    /// The lag of the node in milliseconds, at least 0; nil before the first Ready.
    package func lag(at now: MonotonicTime) -> Int64? {
        lag(since: pending.values.compactMap { $0.first?.committed }.min(), at: now)
    }

    /// The lag of one database in milliseconds, at least 0; nil before the first Ready.
    package func lag(of name: DatabaseName, at now: MonotonicTime) -> Int64? {
        lag(since: pending[name]?.first?.committed, at: now)
    }

    private func lag(since oldest: Int64?, at now: MonotonicTime) -> Int64? {
        guard let receivedAsOf else { return nil }
        let lag = Self.milliseconds(now).subtractingReportingOverflow(min(receivedAsOf, oldest ?? .max))
        return lag.overflow ? .max : max(0, lag.partialValue)
    }

    private mutating func advance(to time: Int64) {
        receivedAsOf = max(receivedAsOf ?? .min, time)
    }

    /// A time at the primary as one here: not after now, and now as long as nothing is known of the primary's clock.
    private func local(_ primaryMilliseconds: Int64, at now: MonotonicTime) -> Int64 {
        let now = Self.milliseconds(now)
        guard let offset = [offset, previousOffset].compactMap({ $0 }).min() else { return now }
        let time = primaryMilliseconds.addingReportingOverflow(offset)
        return time.overflow ? now : min(time.partialValue, now)
    }

    private static func milliseconds(_ time: MonotonicTime) -> Int64 { time.nanoseconds / 1_000_000 }
}
