import LTX
import POSIX
import Store
import Testing

@testable import Replication

@Suite("LagClock")
struct LagClockTests {
    private func at(_ milliseconds: Int64) -> MonotonicTime {
        MonotonicTime(nanoseconds: milliseconds * 1_000_000)
    }

    /// A clock that is ready, and heard at 1000 ms here that it is 50,000 ms there.
    private func readyClock() -> LagClock {
        var clock = LagClock()
        clock.connected(expected: [:])
        clock.ready()
        clock.heard(primaryMilliseconds: 50_000, at: at(1000))
        return clock
    }

    @Test func `nothing is known before everything was received`() {
        var clock = LagClock()
        clock.connected(expected: [:])
        #expect(clock.lag(at: at(0)) == nil)
        clock.heard(primaryMilliseconds: 50_000, at: at(1000))
        #expect(clock.lag(at: at(1000)) == nil)
        #expect(Lag(clock.lag(at: at(1000))) == .unknown && Lag.unknown.milliseconds == 2_147_483_647)
    }

    @Test func `the lag is the time since the last heartbeat, whatever the clocks say`() {
        var clock = readyClock()
        #expect(clock.lag(at: at(1000)) == 0)
        #expect(clock.lag(at: at(1700)) == 700)
        clock.heard(primaryMilliseconds: 51_000, at: at(2000))
        #expect(clock.lag(at: at(2000)) == 0)
    }

    @Test func `a heartbeat that took long shows as lag`() {
        var clock = readyClock()
        clock.heard(primaryMilliseconds: 51_000, at: at(2300))
        #expect(clock.lag(at: at(2300)) == 300)
    }

    @Test func `a transaction that waits to be applied is lag, of its database and of the node`() throws {
        var clock = readyClock()
        let (waiting, other) = (try DatabaseName("a"), try DatabaseName("b"))
        clock.received(waiting, TXID(5), timestamp: 50_100, isSnapshot: false, at: at(20_000))
        clock.received(waiting, TXID(6), timestamp: 50_900, isSnapshot: false, at: at(20_000))
        clock.heard(primaryMilliseconds: 51_000, at: at(2000))
        #expect(clock.lag(of: waiting, at: at(2000)) == 900)
        #expect(clock.lag(of: other, at: at(2000)) == 0)
        #expect(clock.lag(at: at(2000)) == 900)
        clock.applied(waiting, through: TXID(5))
        #expect(clock.lag(at: at(2000)) == 100)
        clock.applied(waiting, through: TXID(6))
        #expect(clock.lag(at: at(2000)) == 0 && clock.pendingNames.isEmpty)
    }

    @Test func `transactions count as news from the primary when heartbeats have no room`() throws {
        var clock = readyClock()
        let name = try DatabaseName("a")
        clock.received(name, TXID(5), timestamp: 59_000, isSnapshot: false, at: at(10_200))
        clock.applied(name, through: TXID(5))
        #expect(clock.lag(at: at(10_500)) == 500)
    }

    @Test func `the lag grows while the primary is gone, and until everything was received again`() {
        var clock = readyClock()
        clock.connected(expected: [:])
        clock.heard(primaryMilliseconds: 80_000, at: at(31_000))
        #expect(clock.lag(at: at(31_000)) == 30_000)
        clock.ready()
        clock.heard(primaryMilliseconds: 80_000, at: at(31_000))
        #expect(clock.lag(at: at(31_000)) == 0)
    }

    @Test func `what was never applied is forgotten with its stream`() throws {
        var clock = readyClock()
        let name = try DatabaseName("a")
        clock.received(name, TXID(5), timestamp: 50_000, isSnapshot: false, at: at(20_000))
        clock.received(name, TXID(6), timestamp: 50_000, isSnapshot: false, at: at(20_000))
        clock.connected(expected: [name: TXID(5)])
        clock.applied(name, through: TXID(5))
        #expect(clock.pendingNames.isEmpty)
    }

    @Test func `memory is bounded, and the oldest transaction counts`() throws {
        var clock = readyClock()
        let name = try DatabaseName("a")
        for txid in UInt64(1)...5_000 {
            clock.received(
                name,
                TXID(txid),
                timestamp: 49_000 + Int64(txid),
                isSnapshot: false,
                at: at(20_000)
            )
        }
        clock.applied(name, through: TXID(4_999))
        #expect(clock.pendingNames == [name])
        clock.applied(name, through: TXID(5_000))
        #expect(clock.pendingNames.isEmpty)
    }

    @Test func `a time that has not come yet counts as now`() throws {
        var clock = readyClock()
        let name = try DatabaseName("a")
        clock.received(name, TXID(5), timestamp: .max, isSnapshot: false, at: at(1500))
        clock.applied(name, through: TXID(5))
        #expect(clock.lag(at: at(1800)) == 300)
    }

    @Test func `a primary whose clock is set back, or another one, is believed at once`() {
        var clock = readyClock()
        clock.heard(primaryMilliseconds: 20_000, at: at(2000))
        #expect(clock.lag(at: at(2100)) == 100)
        clock.connected(expected: [:])
        clock.ready()
        clock.heard(primaryMilliseconds: 90_000_000, at: at(3000))
        #expect(clock.lag(at: at(3100)) == 100)
    }

    @Test func `clocks that make no sense give numbers that do`() {
        var clock = LagClock()
        clock.ready()
        for time in [Int64.min, .max, 0, -1] {
            clock.heard(primaryMilliseconds: time, at: at(5))
            #expect((clock.lag(at: at(10)) ?? 0) >= 0)
        }
        #expect(Lag(.max).milliseconds == Lag.maximum && Lag(-5) == .none)
    }

    @Test func `delays double up to the longest, with some disorder, and begin anew`() {
        var random = RandomSource(seed: 9)
        var backoff = Backoff(first: .seconds(1))
        for expected in [1.0, 2, 4, 8, 10, 10] {
            let seconds = backoff.delay(using: &random).seconds
            #expect(seconds >= expected * 0.8 - 0.001 && seconds <= expected * 1.2 + 0.001)
        }
        backoff.reset()
        #expect(backoff.delay(using: &random).seconds <= 1.2)
        for _ in 0..<9 { #expect(backoff.delay(atMost: .seconds(2), using: &random).seconds <= 2.4) }
        var zero = Backoff(first: .zero)
        #expect(zero.delay(using: &random) > .zero)
    }
}
