import POSIX
import Synchronization

/// A program that tries to commit on a node's mount all the time, whether the node is the primary or not: `workload insist`.
///
/// Its numbers go on when it is started again. Any thread.
package final class InsistentWriter: Sendable {
    /// What was refused: the result code, and the first text.
    package struct Refusal: Sendable {
        package var code: Int32
        package var text: String
    }

    private struct State {
        var program: Program?
        var runs = 0
        var offset = 0
        var acknowledgments: [CommitHistory.Acknowledgment] = []
        var refusals: [Refusal] = []
    }

    /// The node.
    package let node: DaemonProcess
    private let database: String
    private let opensAgain: Bool
    private let output: String
    private let state = Mutex(State())

    /// A writer that does not run yet.
    ///
    /// - Parameters:
    ///   - node: on whose mount.
    ///   - database: the database's name, which has the table `acknowledged`.
    ///   - opensAgain: whether the database is opened again after each refusal.
    package init(_ node: DaemonProcess, _ database: String, opensAgain: Bool = false) {
        self.node = node
        self.database = database
        self.opensAgain = opensAgain
        output = node.settings.folder + "/writer-" + database
    }

    /// The table that it writes to.
    package static let schema =
        "CREATE TABLE acknowledged(node TEXT, number INTEGER, PRIMARY KEY(node, number)) WITHOUT ROWID;"

    /// Starts it.
    package func start() throws {
        let run = state.withLock { state in
            state.runs += 1
            return state.runs
        }
        let program = try Program(
            [
                try Binary.path("workload"), "insist", node.path(database), node.settings.name,
                "\(run * 1_000_000_000)", "4000", opensAgain ? "reopen" : "keep",
            ],
            output: output
        )
        state.withLock { $0.program = program }
    }

    /// Whether it runs.
    package var isRunning: Bool { state.withLock { $0.program.map { $0.exit == nil } ?? false } }

    /// Ends it with SIGKILL, also when a call on a dead mount has ended it already.
    package func kill() throws {
        let program = state.withLock { state in
            defer { state.program = nil }
            return state.program
        }
        try program?.kill()
    }

    /// All that was acknowledged so far.
    package var acknowledgments: [CommitHistory.Acknowledgment] {
        state.withLock { state in
            read(&state)
            return state.acknowledgments
        }
    }

    /// What was refused so far; of refusals with the same code one after the other, the first.
    package var refusals: [Refusal] {
        state.withLock { state in
            read(&state)
            return state.refusals
        }
    }

    /// The first commit that was acknowledged after a moment.
    package func first(after moment: BootTime) -> CommitHistory.Acknowledgment? {
        acknowledgments.first { moment < $0.returned }
    }

    /// Reads the lines that are new; one that is not whole yet waits.
    private func read(_ state: inout State) {
        guard let file = try? FileDescriptor.open(output, .readOnly) else { return }
        let buffer = Buffer(count: 64 << 10)
        while let count = try? file.read(into: buffer.bytes, at: Int64(state.offset)), count > 0 {
            guard let end = buffer.bytes[..<count].lastIndex(of: UInt8(ascii: "\n")) else { return }
            for line in buffer.bytes[..<end].split(separator: UInt8(ascii: "\n")) { take(line, &state) }
            state.offset += end + 1
        }
    }

    private func take(_ line: Slice<UnsafeMutableRawBufferPointer>, _ state: inout State) {
        let text = String(decoding: line, as: UTF8.self)
        let words = text.split(separator: " ", maxSplits: 3)
        if words.count == 4, words[0] == "ack", let number = Int64(words[1]), let called = Int64(words[2]),
            let returned = Int64(words[3])
        {
            state.acknowledgments.append(
                CommitHistory.Acknowledgment(
                    node.settings.name,
                    number,
                    called: BootTime(nanoseconds: called),
                    returned: BootTime(nanoseconds: returned)
                )
            )
        } else if words.count == 4, words[0] == "refused", let code = Int32(words[2]) {
            state.refusals.append(Refusal(code: code, text: String(words[3])))
        }
    }
}
