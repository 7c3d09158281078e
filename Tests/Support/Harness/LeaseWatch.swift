import JSON
import POSIX
import Synchronization

/// Looks at a Lease object all the time, and notes who held it when.
package final class LeaseWatch: Sendable {
    private struct State {
        var terms: [CommitHistory.Term] = []
        var transitions: Int64?
        var lastSent = BootTime(nanoseconds: 0)
        var missed: String?
    }

    private static let interval = Duration.milliseconds(60)

    private let read: @Sendable () throws -> JSONValue?
    private let state = Mutex(State())
    private let event: EventCounter
    private let thread = Mutex<Thread?>(nil)

    /// Begins to look.
    ///
    /// - Parameter read: reads the object; nil when there is none.
    /// - Throws: When the system refuses.
    package init(_ read: @escaping @Sendable () throws -> JSONValue?) throws {
        self.read = read
        event = try EventCounter()
        thread.withLock { thread in
            thread = Thread("lease-watch") { [self] in
                repeat { look() } while !poll(readable: [event.rawValue], timeout: Self.interval)[0]
            }
        }
    }

    /// The terms so far; the last one has no end while its holder holds the lease.
    ///
    /// - Throws: when one was missed, because it was shorter than the time between two looks.
    package func terms() throws -> [CommitHistory.Term] {
        try state.withLock { state in
            if let missed = state.missed { throw Finding(missed) }
            return state.terms
        }
    }

    /// Ends it.
    package func stop() {
        event.signal()
        let thread = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }

    private func look() {
        let sent = BootTime.now
        // A server that is cut off, frozen or gone says nothing: the times in between stay unknown.
        guard let object = try? read() else { return }
        let answered = BootTime.now
        let holder = object["spec"]?["holderIdentity"]?.string ?? ""
        let node = object["metadata"]?["annotations"]?["litefs.io/hostname"]?.string ?? ""
        let transitions = object["spec"]?["leaseTransitions"]?.integer ?? 0
        state.withLock { state in
            defer { state.lastSent = sent }
            let isNew = state.transitions != transitions
            if isNew || holder.isEmpty, let last = state.terms.indices.last {
                state.terms[last].end = min(state.terms[last].end, answered)
            }
            guard isNew, !holder.isEmpty else { return }
            if let before = state.transitions, transitions != before + 1 {
                state.missed =
                    "who held the lease between transitions \(before) and \(transitions) was not seen"
            }
            state.transitions = transitions
            state.terms.append(
                CommitHistory.Term(node, from: state.lastSent, to: BootTime(nanoseconds: .max))
            )
        }
    }
}
