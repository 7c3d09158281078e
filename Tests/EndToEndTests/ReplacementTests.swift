import Harness
import LTX
import POSIX
import Testing

/// Another file takes the place of a database.
@Suite(.serialized, .cluster(), .logsOnFailure)
struct ReplacementTests {
    /// A program with a connection `c` to a database, in a process of its own.
    private struct Holder {
        let process: SQLiteProcess

        init(_ node: DaemonProcess, _ name: String, _ label: String) throws {
            process = try SQLiteProcess(
                folder: node.mount,
                pipes: node.settings.folder + "/holder-\(label)-\(name)"
            )
            try process.send("c open $DIR/" + name)
            _ = try process.receive()
        }

        @discardableResult
        func run(_ sql: String) throws -> [String] {
            try process.send("c run " + sql)
            let answer = try process.receive()
            try check(answer.code == 0, "\(sql): \(answer)")
            return answer.rows
        }

        func close() throws {
            try process.send("c close")
            _ = try process.receive()
            try process.kill()
        }
    }

    /// Where the new file comes from: a local file, another database, another database that is used with a log.
    enum Source: String, CaseIterable {
        case local = "staged.db.tmp"
        case database = "staged.db"
    }

    @Test(arguments: Source.allCases, ["wal", "delete"])
    func `Readers keep the old file, the next ones get the new one, and the log has one transaction`(
        source: Source,
        mode: String
    ) throws {
        let (primary, replica) = try nodes()
        let name = "replaced-\(source)-\(mode).db"
        let old = try Holder(primary, name, "old")
        try old.run("PRAGMA journal_mode=\(mode); CREATE TABLE t(a); INSERT INTO t VALUES('old')")
        try old.run("INSERT INTO t VALUES(randomblob(50000))")
        try stage(primary, source.rawValue, "CREATE TABLE t(a); INSERT INTO t VALUES('new');")
        try waitForSamePosition(name, primary, replica)
        let reader = try Holder(replica, name, "replica")
        try reader.run("BEGIN")
        #expect(try reader.run("SELECT a FROM t LIMIT 1") == ["old"])
        let before = try primary.position(name).txid.rawValue

        try Files.rename(primary.path(source.rawValue), primary.path(name))
        #expect(try primary.sqlite3(name, "SELECT a FROM t;") == "new")
        #expect(try primary.position(name).txid.rawValue == before + 1)
        // Who has the old file open reads it, and with a log even writes it: nobody else sees that.
        #expect(try old.run("SELECT count(*) FROM t") == ["2"])
        if mode == "wal" {
            try old.run("INSERT INTO t VALUES('lost')")
            #expect(try old.run("SELECT count(*) FROM t") == ["3"])
            try old.run("PRAGMA wal_checkpoint")
        }
        #expect(try primary.sqlite3(name, "SELECT a FROM t;") == "new")
        try primary.sqlite3(name, "PRAGMA journal_mode=\(mode); INSERT INTO t VALUES('more');")
        try old.close()
        #expect(try primary.sqlite3(name, "SELECT a FROM t; PRAGMA integrity_check;") == "new\nmore\nok")

        try waitForSamePosition(name, primary, replica)
        #expect(try reader.run("SELECT a FROM t LIMIT 1") == ["old"])
        try reader.run("COMMIT")
        #expect(try reader.run("SELECT a FROM t") == ["new", "more"])
        try reader.close()
        try expectConverged(name, primary, replica)
    }

    @Test
    func `A log that was not copied back is not applied to the file that takes the database's place`() throws
    {
        let (primary, replica) = try nodes()
        let name = "logged.db"
        let old = try Holder(primary, name, "old")
        try old.run("PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(a, b)")
        try old.run("INSERT INTO t VALUES('old', zeroblob(30000))")
        // The same tables at the same pages: frames of the log would fit.
        try stage(
            primary,
            "staged.tmp",
            "CREATE TABLE t(a, b); INSERT INTO t VALUES('new', zeroblob(30000));"
        )
        #expect(try Files.status(primary.path(name + "-wal")).size > 30_000)
        try Files.rename(primary.path("staged.tmp"), primary.path(name))
        #expect(try primary.sqlite3(name, "SELECT a FROM t; PRAGMA integrity_check;") == "new\nok")
        #expect(try old.run("SELECT a FROM t") == ["old"])
        try old.close()
        try expectConverged(name, primary, replica)
        try primary.stop()
        try primary.start()
        #expect(try primary.sqlite3(name, "SELECT a FROM t;") == "new")
        try expectConverged(name, primary, replica)
    }

    @Test
    func `A journal in force is not rolled back into the file that takes the database's place`() throws {
        let (primary, replica) = try nodes()
        let name = "journalled.db"
        let old = try Holder(primary, name, "old")
        try old.run("CREATE TABLE t(a, b); INSERT INTO t VALUES('old', zeroblob(30000))")
        try waitForSamePosition(name, primary, replica)
        try old.run("PRAGMA cache_size=1; BEGIN IMMEDIATE; UPDATE t SET b = randomblob(30000)")
        #expect(try Files.status(primary.path(name + "-journal")).size > 0)
        try stage(
            primary,
            "staged.tmp",
            "CREATE TABLE t(a, b); INSERT INTO t VALUES('new', zeroblob(30000));"
        )
        try Files.rename(primary.path("staged.tmp"), primary.path(name))
        try old.process.kill()
        #expect(try primary.sqlite3(name, "SELECT a FROM t; PRAGMA integrity_check;") == "new\nok")
        try expectConverged(name, primary, replica)
    }

    /// Such a file is compared after the rename has returned.
    @Test
    func `Commits right after a large file took a database's place never come without its content`() throws {
        let (primary, replica) = try nodes()
        let name = "large.db"
        try primary.sqlite3(
            name,
            "PRAGMA journal_mode=wal; CREATE TABLE t(a, b); INSERT INTO t VALUES('old', zeroblob(9000));"
        )
        for round in 1...3 {
            try waitForSamePosition(name, primary, replica)
            try stage(
                primary,
                "large.tmp",
                "PRAGMA journal_mode=wal; CREATE TABLE t(a, b);"
                    + "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < 6000) "
                    + "INSERT INTO t SELECT 'new \(round)', randomblob(3900) FROM n;"
            )
            let before = try primary.position(name).txid.rawValue
            try Files.rename(primary.path("large.tmp"), primary.path(name))
            let connection = try primary.open(name)
            for number in 1...40 { try connection.run("INSERT INTO t VALUES(\(number), zeroblob(2000))") }
            let last = try primary.position(name)
            connection.close()
            try eventually("the replica is at \(last)", within: .seconds(30)) {
                let state = try replica.sqlite3(
                    name,
                    "PRAGMA integrity_check; SELECT count(*) >= 6000 FROM t;"
                )
                let isOld = try replica.position(name).txid.rawValue <= before
                try check(state == "ok\n1" || state.hasPrefix("ok") && (isOld || round == 1), state)
                return try replica.position(name).txid >= last.txid
            }
            try expectConverged(name, primary, replica)
        }
    }

    @Test(arguments: [512, 65536])
    func `A file with another page size takes the place of a database`(pageSize: Int) throws {
        let (primary, replica) = try nodes()
        let name = "sized-\(pageSize).db"
        try primary.sqlite3(name, "CREATE TABLE t(a, b);" + "INSERT INTO t VALUES('old', randomblob(99999));")
        try stage(
            primary,
            "staged.tmp",
            "PRAGMA page_size=\(pageSize); CREATE TABLE t(a); INSERT INTO t VALUES('new');"
        )
        try waitForSamePosition(name, primary, replica)
        try Files.rename(primary.path("staged.tmp"), primary.path(name))
        try expectConverged(name, primary, replica)
        #expect(try replica.sqlite3(name, "SELECT a FROM t; PRAGMA page_size;") == "new\n\(pageSize)")
    }

    @Test
    func `The log of a database that was removed is not applied to a file that gets its name`() throws {
        let (primary, replica) = try nodes()
        let name = "removed.db"
        let old = try Holder(primary, name, "old")
        try old.run(
            "PRAGMA journal_mode=wal; CREATE TABLE t(a, b); INSERT INTO t VALUES('old', zeroblob(30000))"
        )
        try stage(
            primary,
            "staged.tmp",
            "CREATE TABLE t(a, b); INSERT INTO t VALUES('new', zeroblob(30000));"
        )
        try Files.unlink(primary.path(name))
        #expect(try Files.status(primary.path(name + "-wal")).size > 30_000)
        try Files.rename(primary.path("staged.tmp"), primary.path(name))
        #expect(try primary.sqlite3(name, "SELECT a FROM t; PRAGMA integrity_check;") == "new\nok")
        #expect(try old.run("SELECT a FROM t") == ["old"])
        try old.close()
        try expectConverged(name, primary, replica)
    }

    @Test(arguments: ["mv a.db-wal b.db-wal; mv a.db b.db", "mv a.db b.db; mv a.db-wal b.db-wal"])
    func `A database is moved onto another one together with its log`(commands: String) throws {
        let cluster = try Cluster.current()
        let (primary, replica) = try nodes()
        for name in ["a.db", "b.db"] {
            let program = try Holder(primary, name, "moved")
            try program.run(
                "PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; CREATE TABLE IF NOT EXISTS t(a)"
            )
            try program.run("INSERT INTO t VALUES('\(name)')")
            try program.process.kill()
        }
        try cluster.run(["sh", "-ec", "cd \(primary.mount); " + commands])
        try Files.unlink(primary.path("a.db-shm"), ifExists: true)
        #expect(try primary.sqlite3("b.db", "SELECT a FROM t; PRAGMA integrity_check;") == "a.db\nok")
        try expectConverged("b.db", primary, replica)
        try cluster.run(["sh", "-c", "cd \(primary.mount); rm -f b.db*"])
    }

    @Test
    func `A database that is moved away and back still has what is in its log`() throws {
        let (primary, replica) = try nodes()
        let program = try Holder(primary, "there.db", "back")
        try program.run(
            "PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(a); INSERT INTO t VALUES(1)"
        )
        try program.process.kill()
        try Files.rename(primary.path("there.db"), primary.path("elsewhere.db"))
        try Files.rename(primary.path("elsewhere.db"), primary.path("there.db"))
        #expect(try primary.sqlite3("there.db", "SELECT a FROM t; PRAGMA integrity_check;") == "1\nok")
        try expectConverged("there.db", primary, replica)
    }

    @Test(arguments: ["wal", "delete"])
    func `A database that is removed and made anew at once is the new one everywhere`(mode: String) throws {
        let (primary, replica) = try nodes()
        let name = "reset-\(mode).db"
        let old = try Holder(primary, name, "old")
        try old.run("PRAGMA journal_mode=\(mode); CREATE TABLE t(a); INSERT INTO t VALUES('old')")
        try waitForSamePosition(name, primary, replica)
        let reader = try Holder(replica, name, "reader")
        #expect(try reader.run("SELECT a FROM t") == ["old"])
        for suffix in ["", "-wal", "-wal2", "-shm", "-journal"] {
            try Files.unlink(primary.path(name + suffix), ifExists: true)
        }
        try primary.sqlite3(
            name,
            "PRAGMA journal_mode=\(mode); CREATE TABLE t(a); INSERT INTO t VALUES('new');"
        )
        #expect(try old.run("SELECT a FROM t") == ["old"])
        try old.close()
        try expectConverged(name, primary, replica)
        #expect(try replica.sqlite3(name, "SELECT a FROM t;") == "new")
        #expect(try reader.run("SELECT a FROM t") == ["old"])
        try reader.close()
        #expect(try replica.sqlite3(name, "SELECT a FROM t; PRAGMA integrity_check;") == "new\nok")
    }

    /// Makes a file that is complete in itself, without log or journal.
    private func stage(_ node: DaemonProcess, _ name: String, _ sql: String) throws {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            try Files.unlink(node.path(name + suffix), ifExists: true)
        }
        try node.sqlite3(name, sql)
    }

    private func nodes() throws -> (DaemonProcess, DaemonProcess) {
        let cluster = try Cluster.current()
        return (cluster.primary, try cluster.replica)
    }
}
