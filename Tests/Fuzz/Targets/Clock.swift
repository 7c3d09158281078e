import LTX
import POSIX
import Replication
import Store

extension FuzzTarget {
    static let clock = FuzzTarget(
        "clock",
        summary: "times that a primary sends, and the lag that follows from them",
        maximumByteCount: 512,
        seeds: {
            [
                [0, 5, 1, 1, 2, 7, 3, 9], [UInt8](repeating: 0xFF, count: 64),
                [UInt8](repeating: 0x7F, count: 64),
            ]
        },
        check: { bytes in
            var input = FuzzInput(bytes)
            var clock = LagClock()
            var now = MonotonicTime(nanoseconds: 1_000_000_000)
            let name = try DatabaseNames.some
            while !input.isEmpty {
                now = now + .milliseconds(Int64(input.byte()) * 100)
                let time = input.extreme()
                switch input.byte() % 5 {
                case 0: clock.connected(expected: [name: TXID(UInt64(bitPattern: time))])
                case 1: clock.ready()
                case 2: clock.heard(primaryMilliseconds: time, at: now)
                case 3: clock.applied(name, through: TXID(UInt64(bitPattern: time)))
                default:
                    let txid = TXID(UInt64(bitPattern: input.extreme()))
                    clock.received(name, txid, timestamp: time, isSnapshot: time & 1 == 0, at: now)
                }
                if let lag = clock.lag(at: now) { try require(lag >= 0, "a lag of \(lag) ms") }
                if let lag = clock.lag(of: name, at: now) { try require(lag >= 0, "a lag of \(lag) ms") }
                _ = WallClock.text(milliseconds: time)
            }
        }
    )
}
