import Harness
import POSIX

// Death in the middle of a statement. The native side cannot die at the same place, so it says which two outcomes there are: the
// state before the statement, and the state after it.
extension DifferentialRun {
    /// One process dies in the middle of a statement on the mount, the others after it.
    ///
    /// Each database must then be as before the statement or as after it; as after it, if the answer came.
    func killInTheMiddle() throws {
        let candidates = twins.connections.filter { connection in
            !connection.process.connections.contains { $0.mayJournalInMemory }
        }
        guard let connection = chance.pickIfAny(candidates) else { return }
        for other in twins.connections where other.mayJournalInMemory && other.isInTransaction {
            try twins.run(other, "ROLLBACK")
        }
        let statement = interruptible(connection)
        twins.note(
            "\(connection.process.name) [\(connection.database)] dies in \(connection.name) \(statement.prefix(600))"
        )
        // What lies in the native folder now is what a crash would leave now.
        let states = try committedStates()

        let process = connection.process
        let victim = try twins.program(process, .mount)
        try victim.send("\(connection.name) run \(statement)")
        let end = MonotonicTime.now + .microseconds(Int64(chance.below(chance.pick([300, 3000, 30_000]))))
        while .now < end {}
        try twins.kill(process, .mount)
        let answer = try victim.takeAnswer(waiting: .zero)
        let survivor = try twins.program(process, .native)
        try survivor.send("\(connection.name) run \(statement)")
        let other = try survivor.receive()
        twins.note("    mount \(answer?.description ?? "no answer"), native \(other)")
        try twins.killAll()

        try judge(before: states, after: try hashes(native), isAnswered: answer != nil)
        try check(answer == nil || answer == other, "the answers are the same")
        tally.add(answer == nil ? "kills in statements" : "kills after statements")
        try restoreNative()
        try compare()
    }

    private func judge(before: [String: String], after: [String: String], isAnswered: Bool) throws {
        for (name, wanted) in after.sorted(by: { $0.key < $1.key }) {
            let found = try hash(cluster.primary.path(name))
            let isBefore = !isAnswered && found == before[name]
            try check(
                found == wanted || isBefore,
                "\(name) is as before or as after the statement: \(found); \(before[name] ?? "none"); \(wanted)"
            )
            guard before[name] != wanted else { continue }
            tally.add(found == wanted ? "statements that stand" : "statements that fell")
        }
    }

    /// A statement that leaves whole states only: what it writes is protected by a journal.
    private func interruptible(_ connection: TwinConnection) -> String {
        if connection.isInTransaction, chance.once(in: 2) { return "COMMIT" }
        while true {
            let statement = source.statement(for: connection)
            let makesFiles = statement.contains(" INTO '$DIR")
            let changesMode = statement.contains("journal_mode=memory") || statement.contains("locking_mode")
            if !makesFiles, !changesMode { return statement }
        }
    }

    /// What SQLite makes of the databases if everybody died now.
    func committedStates() throws -> [String: String] {
        let folder = cluster.folder.path + "/crashed"
        try copy(native, to: folder)
        return try hashes(folder)
    }

    private func hashes(_ folder: String) throws -> [String: String] {
        try databases(in: folder).reduce(into: [:]) { $0[$1] = try hash("\(folder)/\($1)") }
    }

    /// Makes the native folder anew from the mount's files, which nobody has open.
    private func restoreNative() throws {
        try copy(cluster.primary.mount, to: native)
    }

    private func copy(_ source: String, to target: String) throws {
        if Files.exists(target) { try Files.removeTree(target) }
        try Files.makeDirectory(target)
        let outcome = try Outcome.of(
            ["cp", "--preserve=timestamps", "--"] + names(source).map { "\(source)/\($0)" } + [target],
            in: cluster.folder.path
        )
        try check(outcome.exit == .code(0), "\(source) can be copied: \(outcome.errors)")
    }
}
