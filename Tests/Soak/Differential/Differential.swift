import Harness
import POSIX

extension Trial {
    /// Random SQL on the mount and in a native folder must come to the same.
    package static let differential = Trial(
        "differential",
        summary:
            "random SQL of several processes, on the mount and in a native folder: same rows and codes, replica equal"
    ) { round in
        try withNodes(
            limit: DifferentialRun.limit,
            configure: { $0.sections["data"] = ["retention: \"1h\""] }
        ) { cluster in
            let run = try DifferentialRun(cluster, round)
            do {
                try run.go()
            } catch {
                throw Finding("\(error)\n---- last requests\n\(run.twins.history)")
            }
        }
    }
}

/// One round of the trial `differential`.
final class DifferentialRun {
    let cluster: Cluster
    let twins: Twins
    /// The folder that the mount is compared with.
    let native: String
    let tally: Tally
    var chance: Chance
    var source: StatementSource
    /// Databases that were written without a journal since all was compared.
    var writtenWithoutJournal: Set<String> = []
    private var current: TwinConnection?
    /// The same for all databases: others cannot be attached.
    private let encoding: String

    static let limit = Duration.seconds(400)
    /// The databases that programs open; VACUUM INTO makes more.
    static let databases = ["a.db", "b.db", "c.db"]
    private static let processBound = 3
    private static let connectionBound = 7
    private static let steps = 260
    /// After so many steps, and at the end, everything is compared.
    private static let stepsToQuiet = 65

    init(_ cluster: Cluster, _ round: Round) throws {
        self.cluster = cluster
        native = cluster.folder.path + "/native"
        let scratch = cluster.folder.path + "/pipes"
        for folder in [native, scratch] { try Files.makeDirectories(folder) }
        twins = Twins(mount: cluster.primary.mount, native: native, scratch: scratch)
        tally = round.tally
        chance = Chance(round.random)
        _ = round.random.next()
        source = StatementSource(chance: Chance(round.random))
        encoding = chance.pick(["UTF-8", "UTF-8", "UTF-16le", "UTF-16be"])
    }

    deinit { try? twins.killAll() }

    func go() throws {
        try found()
        for step in 1...Self.steps {
            try self.step()
            tally.add("steps")
            if step % Self.stepsToQuiet == 0 { try quiet() }
        }
        try twins.killAll()
        try compare()
    }

    // MARK: - Steps

    private func step() throws {
        if twins.processes.count < Self.processBound { try twins.start() }
        switch chance.below(100) {
        case 0..<8: try open()
        case 8..<11: try close()
        case 11..<15: try moveCursor()
        case 15..<20: try attachOrDetach()
        case 20..<23: try writeWithoutJournal()
        case 23..<25: try killAtBoundary()
        case 25: try removeDatabase()
        case 26: try killInTheMiddle()
        case 27: try copyDatabase()
        case 28: try peek()
        default: try runStatement()
        }
    }

    /// A connection; mostly the one of the step before, so that transactions come to something.
    private func connection() -> TwinConnection? {
        if let current, twins.connections.contains(where: { $0 === current }), !chance.once(in: 4) {
            return current
        }
        current = chance.pickIfAny(twins.connections)
        return current
    }

    private func runStatement() throws {
        guard let connection = connection() else { return try open() }
        let statement = source.statement(for: connection)
        let answer = try twins.run(connection, statement)
        if statement.contains("locking_mode=exclusive") { connection.mayBeExclusive = true }
        if statement.contains("journal_mode=memory") { connection.mayJournalInMemory = true }
        tally.add(answer.code == 0 ? "statements" : "refused statements")
        if answer.code & 0xFF == 5 { tally.add("busy") }
    }

    private func open() throws {
        guard twins.connections.count < Self.connectionBound else { return try close() }
        try open(chance.pick(Self.databases))
    }

    @discardableResult
    private func open(_ database: String) throws -> TwinConnection? {
        let process = chance.pick(twins.processes)
        try twins.open(database, in: process)
        guard let connection = process.connections.last, connection.database == database else { return nil }
        // A small cache makes transactions spill into the files before they commit.
        try twins.run(connection, "PRAGMA cache_size=\(chance.pick([2, 5, 20, 2000]))")
        try twins.run(connection, "PRAGMA synchronous=\(chance.pick(["off", "normal", "full"]))")
        return connection
    }

    private func close() throws {
        guard let connection = chance.pickIfAny(twins.connections) else { return }
        try twins.close(connection)
    }

    private func moveCursor() throws {
        guard let connection = connection() else { return }
        if !connection.hasCursor {
            let table = source.table(chance.pick(connection.schemas))
            try twins.ask(connection, "start", "SELECT id, a, b, c FROM \(table)")
            connection.hasCursor = true
        } else if chance.once(in: 3) {
            try twins.ask(connection, "finish")
            connection.hasCursor = false
        } else {
            try twins.ask(connection, "fetch", "\(1 + chance.below(30))")
        }
    }

    private func attachOrDetach() throws {
        guard let connection = connection() else { return }
        let name = "x\(chance.below(2))"
        if connection.attached[name] == nil {
            let database = chance.pick(Self.databases + ["v0.db"])
            guard !connection.databases.contains(database) else { return }
            let answer = try twins.run(connection, "ATTACH '$DIR/\(database)' AS \(name)")
            if answer.code == 0 { connection.attached[name] = database }
        } else {
            let answer = try twins.run(connection, "DETACH \(name)")
            if answer.code == 0 { connection.attached[name] = nil }
        }
    }

    private func copyDatabase() throws {
        guard let connection = connection() else { return }
        try twins.ask(connection, "copy", "$DIR/v\(chance.below(2)).db")
        tally.add("copies")
    }

    /// Both of a pair die between two requests; what they leave must read the same.
    private func killAtBoundary() throws {
        guard let process = chance.pickIfAny(twins.processes) else { return }
        for connection in process.connections
        where connection.mayJournalInMemory && connection.isInTransaction {
            try twins.run(connection, "ROLLBACK")
        }
        try twins.kill(process)
        tally.add("kills at boundaries")
    }

    private func removeDatabase() throws {
        let used = twins.connections.reduce(into: Set<String>()) { $0.formUnion($1.databases) }
        guard
            let database = chance.pickIfAny(
                (Self.databases + ["v0.db", "v1.db"]).filter { !used.contains($0) }
            )
        else { return }
        twins.note("\(database) is removed")
        for folder in [cluster.primary.mount, native] {
            for end in ["", "-journal", "-wal", "-shm"] {
                try Files.unlink("\(folder)/\(database)\(end)", ifExists: true)
            }
        }
        tally.add("removed databases")
        if Self.databases.contains(database) { try found([database]) }
    }

    /// Makes databases with tables.
    private func found(_ databases: [String] = DifferentialRun.databases) throws {
        for database in databases {
            if twins.processes.isEmpty { try twins.start() }
            guard let connection = try open(database) else { continue }
            var statements = [
                "PRAGMA page_size=\(chance.pick(StatementSource.pageSizes))",
                "PRAGMA auto_vacuum=\(chance.pick(["none", "full", "incremental"]))",
                "PRAGMA encoding='\(encoding)'",
                "PRAGMA journal_mode=\(chance.pick(["wal", "delete", "truncate", "persist"]))",
            ]
            statements += StatementSource.tables("main")
            for _ in 0..<chance.below(5) { statements.append(source.rows("REPLACE", source.table("main"))) }
            for statement in statements { try twins.run(connection, statement) }
        }
    }
}
