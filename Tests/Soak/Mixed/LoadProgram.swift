import Glibc
import Harness
import POSIX

/// A program of the mixed load: it works on one database of one node for a while, ends, is judged, and starts again.
final class LoadProgram {
    enum Kind: Equatable {
        /// Commits in bursts, in this journal mode.
        case writer(mode: String)
        /// Reads all the time, opening anew from time to time.
        case reader
        /// Keeps a read transaction open.
        case holder
    }

    let kind: Kind
    let node: DaemonProcess
    let database: String
    /// Highest number that SQLite acknowledged to it since it was started last; nil for readers.
    private(set) var acknowledged = 0
    /// What excuses errors of the current run: its node restarted, or it was killed.
    private(set) var excuse: String?
    /// Whether a writer was killed that had the database in WAL mode: SQLite may take its last commit back, and a replica may have
    /// shown that commit for a moment (docs/CONSISTENCY.md).
    var mayGoBack = false

    private var program: Program?
    private var next = MonotonicTime.now
    private let base: String
    private var chance: Chance

    init(_ kind: Kind, _ database: String, _ node: DaemonProcess, base: String, _ chance: Chance) {
        self.kind = kind
        self.database = database
        self.node = node
        self.base = base
        self.chance = chance
    }

    var isRunning: Bool { program != nil && program?.exit == nil }
    private var stopPath: String { base + ".stop" }
    private var isWriter: Bool { kind != .reader && kind != .holder }

    /// Starts the program, when its pause is over; ends it, when its time is over; judges it, when it ended.
    func tend(_ tally: Tally) throws {
        guard let program else {
            if next <= .now, Files.exists(node.path(database)) { try start() }
            return
        }
        note(program.output)
        if program.exit != nil {
            try judge(program, tally)
            self.program = nil
            excuse = nil
            mayGoBack = false
            next = .now + .milliseconds(Int64(300 + chance.below(1500)))
        } else if next <= .now, !isWriter {
            try requestStop()
        }
    }

    /// Lets what happens to its node excuse errors.
    func excuse(_ reason: String) {
        if program != nil { excuse = reason }
    }

    /// Sends a signal that excuses everything but wrong data.
    func send(_ signal: Int32) {
        excuse("signal \(signal)")
        program?.send(signal)
    }

    /// Ends it and judges it.
    func stop(_ tally: Tally) throws {
        guard let program else { return }
        if isWriter { send(SIGTERM) } else { try requestStop() }
        _ = try program.waitForExit(within: .seconds(40))
        try tend(tally)
    }

    private func requestStop() throws { _ = try FileDescriptor.open(stopPath, [.writeOnly, .create]) }

    private func start() throws {
        try Files.unlink(stopPath, ifExists: true)
        try Files.unlink(base + ".out", ifExists: true)
        let path = node.path(database)
        let words: [String]
        switch kind {
        case .writer(let mode):
            // In the bare folder, while the mount is away, it must make nothing (docs/CONSISTENCY.md).
            words = [
                "append", path, mode, "\(chance.below(1_000_000))", "mixed", "\(20 + chance.below(150))",
            ]
        case .reader: words = ["read", path, stopPath]
        case .holder: words = ["hold", path, stopPath]
        }
        program = try Program([try Binary.path("workload")] + words, output: base + ".out")
        next = .now + .milliseconds(Int64(3000 + chance.below(9000)))
    }

    private func note(_ output: String) {
        guard isWriter else { return }
        let last = output.split(separator: "\n").last { Int($0) != nil }
        acknowledged = max(acknowledged, last.flatMap { Int($0) } ?? 0)
    }

    /// Nothing is acknowledged any more: the database is made anew.
    func forget() { acknowledged = 0 }

    // MARK: - Judgement

    private func judge(_ program: Program, _ tally: Tally) throws {
        let lines = program.output.split(separator: "\n").map(String.init)
        note(program.output)
        switch kind {
        case .writer:
            tally.add("commits", lines.count { Int($0) != nil })
            let isFine = program.exit == .code(0) || excuse != nil
            try check(isFine, "a writer of \(database) ends well: \(lines.suffix(3))")
        case .reader:
            for line in lines where line.hasPrefix("error: ") { try judge(error: line, tally) }
            let words = lines.last?.split(separator: " ") ?? []
            if words.first == "reads", words.count > 1 { tally.add("reads", Int(words[1]) ?? 0) }
        case .holder:
            guard let held = lines.first(where: { $0.hasPrefix("held ") })?.split(separator: " ") else {
                return try check(excuse != nil, "a long reader of \(database) ends well: \(lines.suffix(3))")
            }
            tally.add("long readers")
            try check(held[1] == held[2], "a long reader keeps its snapshot: \(lines)")
        }
    }

    private func judge(error line: String, _ tally: Tally) throws {
        let numbers = line.split { !"-.0123456789".contains($0) }.compactMap { Double($0) }
        guard line.hasPrefix("error: difference"), numbers.count == 4 else {
            return try check(
                excuse != nil,
                "a reader of \(database) on \(node.settings.name) sees no error: \(line)"
            )
        }
        let (difference, rows, highest, before) = (numbers[0], numbers[1], numbers[2], numbers[3])
        let isTakenBack = difference == 0 && rows == highest && highest == before - 1
        try check(
            isTakenBack && mayGoBack,
            "a reader of \(database) on \(node.settings.name) sees whole transactions in order: \(line)"
        )
        tally.add("commits taken back")
    }
}
