import POSIX

/// Ends connections whose peer does not answer any more while data is on its way to it.
///
/// The kernel's own limit (`TCP_USER_TIMEOUT`) would do this too, but it also ends connections of peers that are alive
/// and only do not read for a while, such as a replica that waits for its disk. This watch tells them apart: a peer
/// that is alive acknowledges what the kernel repeats or probes, even when it has no room for data.
///
/// A connection ends when its peer has owed an answer for half of the limit, and nothing at all has come from it for the whole
/// limit. So the time counts from the last sign of life, not from when the silence was noticed. Between answers the kernel
/// asks for such signs by itself (`SO_KEEPALIVE`).
final class PeerWatch: Sendable {
    private struct State {
        var isStopped = false
        /// Since when each watched socket is known to wait for an answer; nil when it does not wait.
        var waitingSince: [Int32: MonotonicTime?] = [:]
    }

    private let limit: Duration
    private let state = Guarded(State())

    /// A watch that lets a peer be silent for `limit`.
    init(limit: Duration) {
        self.limit = limit
    }

    /// Watches a socket until `remove`, which must come before the socket is closed.
    func add(_ socket: Int32) {
        state.withLock { $0.pointee.waitingSince[socket] = .some(nil) }
    }

    func remove(_ socket: Int32) {
        state.withLock { $0.pointee.waitingSince[socket] = nil }
    }

    /// Looks at all sockets again and again until `stop`; the body of a thread.
    ///
    /// - Parameter onEnd: Called with the sockets whose peers have ended their side, or died; again and again, and under the lock,
    ///   like all that has to do with sockets by their numbers.
    func run(onEnd: (Set<Int32>) -> Void) {
        let interval = min(max(limit / 12, .milliseconds(50)), .seconds(1))
        state.withLock { state in
            while !state.pointee.isStopped {
                check(&state.pointee.waitingSince, now: .now)
                let ended = state.pointee.waitingSince.keys.filter(Socket.hasPeerEnded)
                if !ended.isEmpty { onEnd(Set(ended)) }
                _ = self.state.wait(until: .now + interval)
            }
        }
    }

    func stop() {
        state.withLock { $0.pointee.isStopped = true }
        state.wakeAll()
    }

    /// The calls are made under the lock, so that no socket is closed, and its number used anew, meanwhile.
    private func check(_ sockets: inout [Int32: MonotonicTime?], now: MonotonicTime) {
        for (socket, since) in sockets {
            guard let silence = Socket.unansweredTime(socket) else {
                if since != nil { sockets[socket] = .some(nil) }
                continue
            }
            let start = since ?? now
            sockets[socket] = start
            if silence >= limit, now - start >= limit / 2 { Socket.shutDown(socket) }
        }
    }
}
