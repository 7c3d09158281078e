// Journal mode OFF. SQLite cannot take anything back in this mode, also not a statement that fails, so nothing here may fail after
// BEGIN EXCLUSIVE, and nobody dies in between.
extension DifferentialRun {
    /// Writes in journal mode OFF, and leaves the mode again.
    func writeWithoutJournal() throws {
        guard
            let connection = chance.pickIfAny(
                twins.connections.filter { !$0.isInTransaction && !$0.hasCursor }
            )
        else { return }
        // In this mode SQLite does not roll back the journal of one that died: a read does it before.
        guard try twins.run(connection, "SELECT count(*) FROM main.sqlite_schema").code == 0 else { return }
        let mode = try twins.run(connection, "PRAGMA main.journal_mode=off")
        guard mode.rows == ["off"] else { return }
        writtenWithoutJournal.insert(connection.database)
        for _ in 0...chance.below(3) {
            guard try twins.run(connection, "BEGIN EXCLUSIVE").isInTransaction else { break }
            for _ in 0...chance.below(4) {
                // REPLACE gets out of the way of UNIQUE, and there is no CHECK; a missing table fails before anything is written.
                let table = "main.t\(chance.below(3))"
                let statement = chance.pick([
                    source.rows("REPLACE", table),
                    "UPDATE OR REPLACE \(table) SET b=\(source.content(source.size())) WHERE id=\(chance.below(StatementSource.keys))",
                    "DELETE FROM \(table) WHERE \(source.range())",
                    "UPDATE OR REPLACE \(table) SET a=a+3 WHERE \(source.range())",
                ])
                try twins.run(connection, statement)
            }
            try twins.run(connection, "COMMIT")
            tally.add("commits without journal")
        }
        let next = try twins.run(connection, "PRAGMA main.journal_mode=delete")
        guard next.rows == ["delete"] else {
            // Another connection is in the way of leaving the mode: this one goes.
            return try twins.close(connection)
        }
    }
}
