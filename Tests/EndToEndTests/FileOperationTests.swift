import Glibc
import Harness
import LTX
import POSIX
import Testing

@Suite(.serialized, .cluster(), .logsOnFailure)
struct FileOperationTests {
    @Test(arguments: ["wal", "delete"])
    func `A database that is removed and made anew goes on with its transactions`(mode: String) throws {
        let (primary, replica) = try nodes()
        let name = "again-\(mode).db"
        try primary.sqlite3(name, "PRAGMA journal_mode=\(mode); CREATE TABLE t(id INTEGER PRIMARY KEY, b);")
        try primary.sqlite3(name, filling(rows: 50, bytes: 2000))
        try waitForSamePosition(name, primary, replica)
        let before = try primary.position(name).txid
        try Files.unlink(primary.path(name))
        for suffix in ["-wal", "-shm", "-journal"] {
            try Files.unlink(primary.path(name + suffix), ifExists: true)
        }
        #expect(!Files.exists(primary.path(name)))
        try eventually("the database is gone from the replica") { !Files.exists(replica.path(name)) }
        try primary.sqlite3(name, "CREATE TABLE other(a); INSERT INTO other VALUES('new');")
        #expect(try primary.position(name).txid > before)
        try expectConverged(name, primary, replica)
        #expect(try replica.sqlite3(name, "SELECT a FROM other;") == "new")
    }

    @Test
    func `A database that is renamed is the same under its new name`() throws {
        let (primary, replica) = try nodes()
        try primary.sqlite3(
            "before.db",
            "CREATE TABLE t(id INTEGER PRIMARY KEY, b);" + filling(rows: 50, bytes: 2000)
        )
        try waitForSamePosition("before.db", primary, replica)
        try Files.rename(primary.path("before.db"), primary.path("after.db"))
        #expect(!Files.exists(primary.path("before.db")))
        #expect(try primary.sqlite3("after.db", "SELECT count(*) FROM t;") == "50")
        try expectConverged("after.db", primary, replica)
        try eventually("the old name is gone from the replica") { !Files.exists(replica.path("before.db")) }
    }

    @Test
    func `A database that is renamed onto another becomes one transaction of it`() throws {
        let (primary, replica) = try nodes()
        try primary.sqlite3(
            "old.db",
            "CREATE TABLE t(id INTEGER PRIMARY KEY, b);" + filling(rows: 100, bytes: 2000)
        )
        try primary.sqlite3(
            "new.db",
            "CREATE TABLE t(id INTEGER PRIMARY KEY, b); INSERT INTO t(b) VALUES('replaced');"
        )
        try waitForSamePosition("old.db", primary, replica)
        let before = try primary.position("old.db").txid.rawValue
        try Files.rename(primary.path("new.db"), primary.path("old.db"))
        #expect(try primary.sqlite3("old.db", "SELECT b FROM t;") == "replaced")
        #expect(try primary.position("old.db").txid.rawValue == before + 1)
        try expectConverged("old.db", primary, replica)
    }

    @Test(arguments: ["wal", "delete"])
    func `A database file that is copied onto the mount is replicated`(mode: String) throws {
        let cluster = try Cluster.current()
        let (primary, replica) = try nodes()
        let outside = cluster.folder.path + "/outside-\(mode).db"
        let connection = try SQLiteConnection(outside)
        try connection.run("PRAGMA journal_mode=\(mode); CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        try connection.run(filling(rows: 500, bytes: 2000))
        connection.close()
        let name = "copied-\(mode).db"
        let copy = try Outcome.of(["cp", outside, primary.path(name)], in: cluster.folder.path)
        #expect(copy.exit == .code(0), "\(copy.errors)")
        try eventually("the copy on the replica") {
            (try? replica.sqlite3(name, "SELECT count(*) FROM t;")) == "500"
        }
        try expectConverged(name, primary, replica)
        try primary.sqlite3(name, "INSERT INTO t(b) VALUES('after');")
        try expectConverged(name, primary, replica)
    }

    @Test
    func `A database file that is copied over a database replaces its content`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = try nodes()
        let outside = cluster.folder.path + "/replacement.db"
        let connection = try SQLiteConnection(outside)
        try connection.run("CREATE TABLE u(a); INSERT INTO u VALUES('copied')")
        connection.close()
        try primary.sqlite3(
            "target.db",
            "CREATE TABLE t(id INTEGER PRIMARY KEY, b);" + filling(rows: 80, bytes: 2000)
        )
        try waitForSamePosition("target.db", primary, replica)
        let copy = try Outcome.of(["cp", outside, primary.path("target.db")], in: cluster.folder.path)
        #expect(copy.exit == .code(0), "\(copy.errors)")
        try eventually("the new content on the replica") {
            (try? replica.sqlite3("target.db", "SELECT a FROM u;")) == "copied"
        }
        try expectConverged("target.db", primary, replica)
    }

    @Test(arguments: ["wal", "delete"])
    func `A database that is truncated is empty on replicas, too`(mode: String) throws {
        let (primary, replica) = try nodes()
        let name = "emptied-\(mode).db"
        try primary.sqlite3(name, "PRAGMA journal_mode=\(mode); CREATE TABLE t(id INTEGER PRIMARY KEY, b);")
        try primary.sqlite3(name, filling(rows: 50, bytes: 2000))
        try waitForSamePosition(name, primary, replica)
        let before = try primary.position(name).txid
        let path = primary.path(name)
        #expect(truncate(path, 0) == 0)
        try eventually("the content is gone from the replica") { !Files.exists(replica.path(name)) }
        try primary.sqlite3(name, "CREATE TABLE other(a); INSERT INTO other VALUES('new');")
        #expect(try primary.position(name).txid > before)
        try expectConverged(name, primary, replica)
        #expect(try replica.sqlite3(name, "SELECT a FROM other;") == "new")
    }

    /// What people do to restore a copy: the log of the old content goes, although it has commits that the file never had.
    @Test(arguments: [
        "cp $COPY $DB && rm $DB-wal $DB-shm", "cp $COPY $DB && rm $DB-shm $DB-wal",
        "rm $DB && cp $COPY $DB && rm $DB-wal $DB-shm",
        "cp $COPY $DB.new && mv $DB.new $DB && rm $DB-wal $DB-shm",
        "rm $DB-shm $DB-wal && cp $COPY $DB", "rm $DB $DB-shm $DB-wal && cp $COPY $DB",
        "rm $DB-wal $DB-shm $DB && cp $COPY $DB", "rm $DB-wal $DB && cp $COPY $DB && rm $DB-shm",
    ])
    func `A copy is put in the place of a database with a log`(commands: String) throws {
        let cluster = try Cluster.current()
        let (primary, replica) = try nodes()
        let name = "restored-\(commands.utf8.reduce(UInt32(0)) { $0 &* 31 &+ UInt32($1) }).db"
        let copy = try SQLiteConnection(cluster.folder.path + "/copy.db")
        try copy.run("CREATE TABLE IF NOT EXISTS u(a); DELETE FROM u; INSERT INTO u VALUES('copied')")
        copy.close()
        let program = try SQLiteProcess(folder: primary.mount, pipes: cluster.folder.path + "/" + name)
        try program.send("c open $DIR/" + name)
        _ = try program.receive()
        try program.send(
            "c run PRAGMA journal_mode=wal; CREATE TABLE t(a); PRAGMA wal_checkpoint; INSERT INTO t VALUES(randomblob(9000))"
        )
        #expect(try program.receive().code == 0)
        try program.kill()
        #expect(try Files.status(primary.path(name + "-wal")).size > 9000)
        try cluster.run([
            "sh", "-ec", "COPY=\(cluster.folder.path)/copy.db; DB=\(primary.path(name)); " + commands,
        ])
        #expect(try primary.sqlite3(name, "SELECT a FROM u; PRAGMA integrity_check;") == "copied\nok")
        try eventually("the new content on the replica") {
            (try? replica.sqlite3(name, "SELECT a FROM u;")) == "copied"
        }
        try expectConverged(name, primary, replica)
    }

    @Test
    func `Other files and folders stay on the primary and are named once in the log`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = try nodes()
        let note = primary.path("notes.txt")
        let content = Array("no database\n".utf8)
        try FileDescriptor.open(note, [.writeOnly, .create]).write(content, at: 0)
        try FileDescriptor.open(note, .writeOnly).write(Array("more\n".utf8), at: Int64(content.count))
        #expect(try Files.read(note) == content + Array("more\n".utf8))
        try Files.makeDirectory(primary.path("folder"))
        try Files.makeDirectory(primary.path("folder/deeper"))
        let inner = try SQLiteConnection(primary.path("folder/deeper/inner.db"))
        try inner.run("PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES(1)")
        #expect(try inner.value("SELECT a FROM t") == "1")
        inner.close()
        try Files.rename(note, primary.path("folder/moved.txt"))
        #expect(try Files.list(primary.path("folder")).map(\.name).sorted() == ["deeper", "moved.txt"])
        let deep = try Outcome.of(["ls", "-la", primary.path("folder/deeper")], in: cluster.folder.path)
        #expect(deep.exit == .code(0) && deep.output.contains("inner.db"))
        try primary.sqlite3("marker.db", "CREATE TABLE t(a);")
        try expectConverged("marker.db", primary, replica)
        let names = try Files.list(replica.mount).map(\.name)
        #expect(!names.contains("folder") && !names.contains("notes.txt"), "\(names)")
        let lines = primary.log.split(separator: "\n")
        #expect(lines.count { $0.contains("notes.txt") && $0.contains("not replicated") } == 1)
        #expect(lines.count { $0.contains("folder/\\\"") && $0.contains("not replicated") } <= 1)
        let removal = try Outcome.of(["rm", "-r", primary.path("folder")], in: cluster.folder.path)
        #expect(removal.exit == .code(0), "\(removal.errors)")
        #expect(!Files.exists(primary.path("folder")))
    }

    @Test
    func `A symbolic link is followed by the program that uses it and stays on the primary`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = try nodes()
        let link = primary.path("alias")
        try Files.makeSymbolicLink(link, to: "aliased.db")
        #expect(try Files.symbolicLink(link) == "aliased.db")
        #expect(try Files.list(primary.mount).first { $0.name == "alias" }?.type == S_IFLNK)
        #expect(try Files.status(link).isSymbolicLink)
        // The link names nothing yet: SQLite makes the database, and its journal and log lie beside the database.
        let connection = try SQLiteConnection(link)
        try connection.run("PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES(1)")
        #expect(Files.exists(primary.path("aliased.db-wal")) && !Files.exists(primary.path("alias-wal")))
        connection.close()
        try expectConverged("aliased.db", primary, replica)
        #expect(try replica.sqlite3("aliased.db", "SELECT a FROM t;") == "1")
        #expect(!(try Files.list(replica.mount).map(\.name)).contains("alias"))

        #expect(throws: Errno.exists) { try Files.makeSymbolicLink(link, to: "elsewhere") }
        #expect(throws: Errno.exists) { try Files.makeSymbolicLink(primary.path("aliased.db"), to: "x") }
        #expect(throws: Errno.accessDenied) { try Files.makeSymbolicLink(replica.path("alias"), to: "x") }

        // To another name, over a file, and away.
        try FileDescriptor.open(primary.path("plain.txt"), [.writeOnly, .create]).write([1], at: 0)
        try Files.rename(link, primary.path("plain.txt"))
        #expect(try Files.symbolicLink(primary.path("plain.txt")) == "aliased.db")
        #expect(!Files.exists(link))
        let listed = try Outcome.of(["ls", "-l", primary.mount], in: cluster.folder.path)
        #expect(listed.output.contains("plain.txt -> aliased.db"), "\(listed.output)")
        let owned = try Outcome.of(
            ["chown", "-h", "12:34", primary.path("plain.txt")],
            in: cluster.folder.path
        )
        #expect(owned.exit == .code(0), "\(owned.errors)")
        let status = try Files.status(primary.path("plain.txt")).raw
        #expect(status.st_uid == 12 && status.st_gid == 34)
        try Files.unlink(primary.path("plain.txt"))
        #expect(try primary.sqlite3("aliased.db", "SELECT a FROM t;") == "1")
    }

    @Test
    func `A database whose name a symbolic link takes is dropped`() throws {
        let (primary, replica) = try nodes()
        try primary.sqlite3("moved-off.db", "CREATE TABLE t(a); INSERT INTO t VALUES(2);")
        try expectConverged("moved-off.db", primary, replica)
        try Files.makeSymbolicLink(primary.path("taker"), to: "nothing.txt")
        try Files.rename(primary.path("taker"), primary.path("moved-off.db"))
        #expect(try Files.symbolicLink(primary.path("moved-off.db")) == "nothing.txt")
        try eventually("the database is gone from the replica") {
            !Files.exists(replica.path("moved-off.db"))
        }
        try Files.unlink(primary.path("moved-off.db"))
    }

    @Test(arguments: ["-wal", "-journal", "-shm"])
    func `A symbolic link that has the name of a database's second file leads the daemon nowhere`(
        suffix: String
    ) throws {
        let cluster = try Cluster.current()
        let (primary, replica) = try nodes()
        let outside = cluster.folder.path + "/outside\(suffix)"
        let content = Array("not to be touched".utf8)
        try FileDescriptor.open(outside, [.writeOnly, .create]).write(content, at: 0)
        let name = "led\(suffix).db"
        try Files.makeSymbolicLink(primary.path(name + suffix), to: outside)
        // A file that becomes a database when its first page is written.
        let source = try SQLiteConnection(cluster.folder.path + "/\(name)")
        try source.run("CREATE TABLE t(a); INSERT INTO t VALUES(3)")
        source.close()
        let copy = try Outcome.of(
            ["cp", cluster.folder.path + "/\(name)", primary.path(name)],
            in: cluster.folder.path
        )
        #expect(copy.exit == .code(0), "\(copy.errors)")
        try eventually("the database on the replica") {
            (try? replica.sqlite3(name, "SELECT a FROM t;")) == "3"
        }
        #expect(try Files.read(outside) == content)
        #expect(try Files.symbolicLink(primary.path(name + suffix)) == outside)
        try Files.unlink(primary.path(name + suffix))
        try primary.sqlite3(name, "INSERT INTO t VALUES(4);")
        try expectConverged(name, primary, replica)
    }

    @Test
    func `Names of up to 247 bytes are databases, up to 255 files, and longer ones are refused`() throws {
        let (primary, replica) = try nodes()
        let longest = String(repeating: "n", count: 243) + ".db2"
        try primary.sqlite3(longest, "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
        try expectConverged(longest, primary, replica)
        let file = primary.path(String(repeating: "f", count: 255))
        try FileDescriptor.open(file, [.writeOnly, .create]).write([1, 2, 3], at: 0)
        #expect(try Files.read(file) == [1, 2, 3])
        #expect(throws: Errno.nameTooLong) {
            _ = try FileDescriptor.open(
                primary.path(String(repeating: "g", count: 300)),
                [.writeOnly, .create]
            )
        }
        try Files.unlink(file)
    }

    @Test(arguments: ["blank and 'quote'.db", "ümläut-数据.db", "no-suffix", ".hidden.db", "-dash.db"])
    func `A database may have an unusual name`(name: String) throws {
        let (primary, replica) = try nodes()
        let connection = try primary.open(name)
        try connection.run("CREATE TABLE t(a); INSERT INTO t VALUES(1)")
        connection.close()
        try waitForSamePosition(name, primary, replica)
        let copy = try replica.open(name)
        #expect(try copy.value("SELECT a FROM t") == "1")
        copy.close()
    }

    @Test
    func `A name that is not UTF-8 is refused or stays on this node, and harms nobody`() throws {
        let (primary, replica) = try nodes()
        let bytes = Array(primary.mount.utf8).map { CChar(bitPattern: $0) } + [47, -1, -2, 46, 100, 98, 0]
        let descriptor = open(bytes, O_CREAT | O_RDWR, 0o644)
        if descriptor >= 0 {
            _ = write(descriptor, "SQLite format 3\0", 16)
            close(descriptor)
            unlink(bytes)
        }
        try primary.sqlite3("sane.db", "CREATE TABLE t(a);")
        try expectConverged("sane.db", primary, replica)
    }

    @Test
    func `statfs tells the space of the data directory`() throws {
        let (primary, _) = try nodes()
        let (mount, data) = (
            try Files.fileSystem(primary.mount), try Files.fileSystem(primary.settings.dataFolder)
        )
        #expect(UInt(mount.f_frsize) * mount.f_blocks == UInt(data.f_frsize) * data.f_blocks)
        #expect(mount.f_bavail > 0 && mount.f_namemax == 255)
    }

    @Test
    func `Two processes share one write-ahead log`() throws {
        let (primary, replica) = try nodes()
        // Two programs that switch to WAL at once find the database locked, in a native folder, too.
        try primary.sqlite3("shared.db", "PRAGMA journal_mode=wal;")
        let writers = try (1...2)
            .map { index in
                try Program(
                    [
                        try Binary.path("workload"), "write", primary.path("shared.db"), "wal", "\(index)",
                        "mixed", "150",
                    ],
                    output: primary.settings.folder + "/writer\(index)"
                )
            }
        for writer in writers {
            #expect(try writer.waitForExit(within: .seconds(50)) == .code(0), "\(writer.output.suffix(300))")
        }
        #expect(try primary.sqlite3("shared.db", "SELECT count(*), max(n) FROM ledger;") == "300|300")
        try expectConverged("shared.db", primary, replica)
    }

    @Test
    func `Several processes share a database with a rollback journal`() throws {
        let (primary, replica) = try nodes()
        let writers = try (1...3)
            .map { index in
                try Program(
                    [
                        try Binary.path("workload"), "write", primary.path("queue.db"), "delete", "\(index)",
                        "plain", "40",
                    ],
                    output: primary.settings.folder + "/queue\(index)"
                )
            }
        for writer in writers {
            #expect(try writer.waitForExit(within: .seconds(50)) == .code(0), "\(writer.output.suffix(300))")
        }
        #expect(try primary.sqlite3("queue.db", "SELECT count(*), max(n) FROM ledger;") == "120|120")
        try expectConverged("queue.db", primary, replica)
    }

    private func nodes() throws -> (DaemonProcess, DaemonProcess) {
        let cluster = try Cluster.current()
        return (cluster.primary, try cluster.replica)
    }
}
