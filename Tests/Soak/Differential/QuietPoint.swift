import Harness
import POSIX
import SQLiteFormat

// Moments when nobody is in a transaction: all that both sides hold is compared, and the replica with the primary.
extension DifferentialRun {
    private static let convergenceLimit = Duration.seconds(30)

    /// Ends all transactions, in random ways, and compares.
    func quiet() throws {
        if chance.once(in: 3) { return try quietWithRestart() }
        // A reader may be in the way of a commit, so who cannot commit rolls back.
        for connection in twins.connections {
            if connection.hasCursor { try twins.ask(connection, "finish") }
            connection.hasCursor = false
            guard connection.isInTransaction else { continue }
            try twins.run(connection, chance.once(in: 4) ? "ROLLBACK" : "COMMIT")
            if connection.isInTransaction { try twins.run(connection, "ROLLBACK") }
        }
        for connection in twins.connections where connection.mayBeExclusive || chance.once(in: 4) {
            try twins.close(connection)
        }
        try compare()
    }

    /// In the middle of transactions the replica has what is committed, and nothing else.
    func peek() throws {
        // Without a journal on disk nobody can say what is committed.
        guard !twins.connections.contains(where: { $0.mayJournalInMemory && $0.isInTransaction }) else {
            return
        }
        let replica = try cluster.replica
        // What was written without a journal, also earlier, is found when nobody holds the EXCLUSIVE lock any more.
        // A transaction may hold it from its beginning, or since its cache spilled.
        let exclusive = twins.connections.filter(\.mayBeExclusive)
            .reduce(into: Set<String>()) { $0.formUnion($1.databases) }
        let busy = twins.connections.filter(\.isInTransaction)
            .reduce(into: Set<String>()) { $0.formUnion($1.databases) }
        let held = exclusive.union(busy.intersection(writtenWithoutJournal))
        let states = try committedStates().filter { !held.contains($0.key) }
        for (name, wanted) in states.sorted(by: { $0.key < $1.key }) {
            guard try Files.status("\(native)/\(name)").size > 0, Files.exists(replica.path(name)) else {
                continue
            }
            var found = ""
            try eventually("the replica's \(name) is what is committed: \(found)\(wanted)") {
                found = (try? hash(replica.path(name))) ?? "none"
                return found == wanted
            }
            tally.add("peeks")
        }
    }

    /// Everybody dies, in or out of transactions; the primary starts anew.
    private func quietWithRestart() throws {
        for connection in twins.connections where connection.mayJournalInMemory && connection.isInTransaction
        {
            try twins.run(connection, "ROLLBACK")
        }
        try twins.killAll()
        if chance.once(in: 2) {
            try cluster.primary.stop()
            twins.note("the primary stops")
        } else {
            try cluster.primary.kill()
            twins.note("the primary dies")
        }
        try cluster.primary.start()
        tally.add("restarts")
        try compare()
    }

    /// Expects the same databases on both sides, and on the replica what is on the primary.
    func compare() throws {
        defer { writtenWithoutJournal.removeAll() }
        twins.note("all is compared")
        let primary = cluster.primary
        for name in try databases(in: native) {
            let wanted = try hash(native + "/" + name)
            let found = try hash(primary.path(name))
            try check(
                found == wanted,
                "rows of \(name) on the mount \(found) are \(wanted) as in the native folder"
            )
        }
        let (files, others) = (try listing(native), try listing(primary.mount))
        try check(files == others, "the mount has the files of the native folder:\n  \(others)\n  \(files)")
        for name in try databases(in: native) where try Files.status("\(native)/\(name)").size > 0 {
            try expectConverged(name, primary, try cluster.replica, within: Self.convergenceLimit)
            tally.add("compared databases")
            try compareBytes(name)
        }
        try expectNoFaults()
    }

    /// Where nothing of a database is in a log, both sides have the same bytes.
    ///
    /// A file may be longer than its header says, after a checkpoint of a smaller database that did not come to its end: what is
    /// behind is no part of the database.
    private func compareBytes(_ name: String) throws {
        guard !Files.exists("\(native)/\(name)-wal") else { return }
        let file = try Files.read("\(native)/\(name)", limit: 1 << 30)
        let header = try file.withUnsafeBytes { bytes in
            try DatabaseHeader(UnsafeRawBufferPointer(rebasing: bytes.prefix(DatabaseHeader.size)))
        }
        let pages = Int(header.committedPageCount(fileSize: Int64(file.count)))
        let wanted = file.prefix(pages * header.pageSize.bytes)
        let found = try cluster.primary.export(name)
        let offset = zip(wanted, found).enumerated().first { $0.element.0 != $0.element.1 }?.offset
        try check(
            wanted.count == found.count && offset == nil,
            "\(name): \(found.count) bytes are the \(wanted.count) of the native file; difference at \(offset ?? -1)"
        )
        tally.add("equal files")
    }

    /// Expects that no node has anything to complain about.
    func expectNoFaults() throws {
        for node in cluster.nodes {
            let faults = try node.info()["faults"]
            try check(
                faults == nil || faults?[0] == nil,
                "\(node.settings.name) has no faults: \(String(describing: faults))"
            )
            // A change of the page size waits for the replica's readers, such as those that compare.
            let errors = node.log.split(separator: "\n")
                .filter {
                    $0.contains("level=ERROR") && !$0.contains("must wait until readers leave the log")
                }
            try check(errors.isEmpty, "\(node.settings.name) logs no errors: \(errors.prefix(3))")
        }
    }

    /// The databases of a folder.
    func databases(in folder: String) throws -> [String] {
        try Files.list(folder).map(\.name).filter { $0.hasSuffix(".db") }.sorted()
    }

    /// Names and sizes in a folder, without what is the daemon's; the size of `-shm` follows from nothing that is promised.
    private func listing(_ folder: String) throws -> [String] {
        try names(folder)
            .map { name in
                name.hasSuffix("-shm") ? name : "\(name) \(try Files.status("\(folder)/\(name)").size)"
            }
    }

    /// The files of a folder that programs made.
    func names(_ folder: String) throws -> [String] {
        try Files.list(folder).map(\.name).filter { !$0.hasPrefix(".") && !$0.hasSuffix("-pos") }.sorted()
    }

    /// A hash of all rows and the schema.
    func hash(_ path: String) throws -> String {
        let outcome = try Outcome.of(
            ["sqlite3", "-batch", path],
            input: ".bail on\n.timeout 10000\nPRAGMA integrity_check;\n.sha3sum --schema\n",
            in: cluster.folder.path
        )
        try check(
            outcome.exit == .code(0) && outcome.errors.isEmpty && outcome.output.hasPrefix("ok\n"),
            "\(path) is sound: \(outcome.output.prefix(1000)) \(outcome.errors)"
        )
        return outcome.output
    }
}
