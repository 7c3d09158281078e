import Glibc
import POSIX
import Synchronization

/// Kills the daemons of a cluster when a test takes too long: calls on their mounts then fail instead of waiting for ever.
package final class Guardian: Sendable {
    private let nodes: [DaemonProcess]
    private let deadline = Mutex<MonotonicTime?>(nil)
    private let event: EventCounter
    private let thread = Mutex<Thread?>(nil)

    package init(nodes: [DaemonProcess]) throws {
        self.nodes = nodes
        event = try EventCounter()
        thread.withLock { thread in
            thread = Thread("guardian") { [weak self] in
                while let self, !self.isEnded { self.look() }
            }
        }
    }

    /// Sets the time after which the daemons are killed.
    package func begin(_ limit: Duration) {
        deadline.withLock { $0 = .now + limit }
    }

    /// Lets them live.
    package func end() {
        deadline.withLock { $0 = nil }
    }

    /// Ends the watch.
    package func stop() {
        event.signal()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }

    /// Waits a moment for the end.
    private var isEnded: Bool { poll(readable: [event.rawValue], timeout: .milliseconds(200))[0] }

    private func look() {
        let isOver = deadline.withLock { deadline in
            guard let time = deadline, time < .now else { return false }
            deadline = nil
            return true
        }
        guard isOver else { return }
        for node in nodes {
            guard let program = node.current, program.exit == nil else { continue }
            print("---- \(node.settings.name) took too long and is killed; its threads:\n" + program.threads)
            try? node.kill()
        }
    }
}
