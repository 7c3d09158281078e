import Harness
import POSIX

/// Processes in pairs: one of each pair works on the mount, the other in a native folder.
///
/// Requests go to both, and whatever differs in the answers is a finding.
final class Twins {
    /// The two sides.
    enum Side: String, CaseIterable {
        case mount, native
    }

    private(set) var processes: [TwinProcess] = []
    private let folders: [Side: String]
    private let scratch: String
    private var running: [String: [Side: SQLiteProcess]] = [:]
    private var made = 0
    private var trace: [String] = []

    /// The last so many requests are part of a finding.
    private static let shownRequests = 60
    private static let answerLimit = Duration.seconds(60)

    init(mount: String, native: String, scratch: String) {
        folders = [.mount: mount, .native: native]
        self.scratch = scratch
    }

    var connections: [TwinConnection] { processes.flatMap(\.connections) }

    /// What was asked and answered last.
    var history: String { trace.suffix(Self.shownRequests).joined(separator: "\n") }

    func note(_ line: String) { trace.append(line) }

    // MARK: - Processes

    @discardableResult
    func start() throws -> TwinProcess {
        made += 1
        let process = TwinProcess("p\(made)")
        for (side, folder) in folders {
            let pipes = "\(scratch)/\(process.name)-\(side)"
            running[process.name, default: [:]][side] = try SQLiteProcess(folder: folder, pipes: pipes)
        }
        processes.append(process)
        note("\(process.name) starts")
        return process
    }

    /// Kills both of a pair; between two requests, both are at the same place.
    func kill(_ process: TwinProcess) throws {
        for side in Side.allCases { try kill(process, side) }
        running[process.name] = nil
        processes.removeAll { $0 === process }
    }

    func killAll() throws { for process in processes { try kill(process) } }

    /// Kills one of a pair.
    func kill(_ process: TwinProcess, _ side: Side) throws {
        note("\(process.name) dies on the \(side)")
        try running[process.name]?[side]?.kill()
    }

    /// One of a pair.
    func program(_ process: TwinProcess, _ side: Side) throws -> SQLiteProcess {
        try required(running[process.name]?[side], "\(process.name) runs on the \(side)")
    }

    // MARK: - Requests

    func open(_ database: String, in process: TwinProcess) throws {
        let connection = process.open(database)
        let answer = try ask(connection, "open", "$DIR/" + database)
        if answer.code != 0 { process.forget(connection) }
    }

    func close(_ connection: TwinConnection) throws {
        try ask(connection, "close")
        connection.process.forget(connection)
    }

    @discardableResult
    func run(_ connection: TwinConnection, _ sql: String) throws -> SQLiteProcess.Answer {
        try ask(connection, "run", sql)
    }

    /// Asks both sides and expects the same answer.
    @discardableResult
    func ask(_ connection: TwinConnection, _ verb: String, _ text: String = "") throws -> SQLiteProcess.Answer
    {
        let request = "\(connection.name) \(verb) \(text)"
        note("\(connection.process.name) [\(connection.database)] \(request.prefix(600))")
        let sides = try Side.allCases.map { side in
            let program = try program(connection.process, side)
            try program.send(request)
            return program
        }
        let answers = try sides.map { try $0.receive(within: Self.answerLimit) }
        note("    \(answers[0])")
        guard answers[0] == answers[1] else {
            throw Finding("mount and native folder differ:\n  mount  \(answers[0])\n  native \(answers[1])")
        }
        connection.isInTransaction = answers[0].isInTransaction
        return answers[0]
    }
}
