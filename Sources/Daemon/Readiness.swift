import POSIX

/// The moment when a node has heard from its primary; from then on the application may start.
public final class Readiness: Sendable {
    private let event: EventCounter

    /// Not reached yet.
    public init() throws(Errno) {
        event = try EventCounter()
    }

    /// Notes that it is reached; from any thread, any number of times.
    public func reach() {
        event.signal()
    }

    /// Waits until it is reached.
    ///
    /// - Throws: `StartError.interrupted` when the node is to end before.
    public func wait(orStop stopRequest: StopRequest) throws(StartError) {
        while true {
            let ready = poll(readable: [event.rawValue, stopRequest.descriptor], timeout: nil)
            try stopRequest.check()
            if ready[0] { return }
        }
    }
}
