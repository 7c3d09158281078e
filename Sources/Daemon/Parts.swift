import POSIX
import Synchronization

/// The parts of a node that are running, in the order in which they were started.
///
/// One thread starts them, one after the other; later one thread stops them in reverse order, each once. Others may ask
/// which step is under way.
public final class Parts: Sendable {
    /// A step that is under way.
    public struct Step: Equatable, Sendable {
        /// What is done, for example `open store`.
        public let name: String
        /// When it began.
        public let begun: MonotonicTime
    }

    private struct Stop: Sendable {
        let name: String
        let action: @Sendable () throws -> Void
    }

    private struct State {
        var stops: [Stop] = []
        var step: Step?
    }

    private let state = Mutex(State())

    /// The wish that the node ends; steps that wait look at it.
    public let stopRequest: StopRequest

    /// No parts.
    public init(stopRequest: StopRequest) {
        self.stopRequest = stopRequest
    }

    /// The step that is under way; nil between steps.
    public var step: Step? { state.withLock { $0.step } }

    /// Does something that leaves nothing behind, unless the node is to end.
    ///
    /// - Parameters:
    ///   - name: What is done, as it stands in "cannot NAME: REASON".
    ///   - body: Does it.
    /// - Returns: What `body` returned.
    /// - Throws: `StartError.interrupted` when the node is to end, else `.failed` with what `body` threw.
    public func run<Result>(_ name: String, _ body: () throws -> Result) throws(StartError) -> Result {
        try stopRequest.check()
        state.withLock { $0.step = Step(name: name, begun: .now) }
        defer { state.withLock { $0.step = nil } }
        do {
            return try body()
        } catch let error as StartError {
            throw error
        } catch {
            throw .failed(step: name, reason: "\(error)")
        }
    }

    /// Starts a part, unless the node is to end.
    ///
    /// - Parameters:
    ///   - name: What is done, as it stands in "cannot NAME: REASON".
    ///   - undoing: What stopping it does, in the same form.
    ///   - body: Makes the part; when it throws, it has cleaned up after itself.
    ///   - stop: Stops the part; called once, if `body` returned.
    /// - Returns: The part.
    /// - Throws: `StartError.interrupted` when the node is to end, else `.failed` with what `body` threw.
    public func start<Part: Sendable>(
        _ name: String,
        undoing: String,
        _ body: () throws -> Part,
        stop: @escaping @Sendable (Part) throws -> Void
    ) throws(StartError) -> Part {
        try run(name) {
            let part = try body()
            state.withLock { $0.stops.append(Stop(name: undoing, action: { try stop(part) })) }
            return part
        }
    }

    /// Stops all parts in reverse order; a part that fails does not keep the others from being stopped.
    ///
    /// Returns what failed, one text for each. Parts that were stopped are not stopped again.
    public func stopAll() -> [String] {
        var failures: [String] = []
        while let stop = takeLast() {
            do {
                try stop.action()
            } catch {
                failures.append("cannot \(stop.name): \(error)")
            }
        }
        state.withLock { $0.step = nil }
        return failures
    }

    private func takeLast() -> Stop? {
        state.withLock { state in
            let stop = state.stops.popLast()
            state.step = stop.map { Step(name: $0.name, begun: .now) }
            return stop
        }
    }
}
