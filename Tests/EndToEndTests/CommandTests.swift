import Harness
import JSON
import POSIX
import Testing

/// The commands beside `litefs mount`, as people and scripts use them.
@Suite(.serialized, .cluster(), .logsOnFailure)
struct CommandTests {
    private func litefs(_ arguments: String...) throws -> Outcome {
        try Outcome.of([try Binary.path("litefs")] + arguments, in: try Cluster.current().folder.path)
    }

    private func url(_ node: DaemonProcess) -> String { "http://127.0.0.1:\(node.settings.port)" }

    @Test func `An export is the database, and replaces a file only when it is whole`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try cluster.replica)
        let name = "export.db"
        try primary.sqlite3(
            name,
            "PRAGMA journal_mode=wal; CREATE TABLE t(b);" + filling(rows: 100, bytes: 2000)
        )
        try waitForSamePosition(name, primary, replica)
        let path = cluster.folder.path + "/exported.db"
        for (suffix, text) in [("", "old"), ("-wal", "old"), ("-shm", "old"), ("-journal", "old")] {
            try Files.replace(path + suffix, with: Array(text.utf8))
        }
        let refused = try litefs("export", "-url", url(primary), "-name", "none.db", path)
        #expect(refused.exit == .code(1) && refused.errors.contains("404"), "\(refused)")
        #expect(try Files.read(path) == Array("old".utf8))
        for node in [primary, replica] {
            let done = try litefs("export", "-url", url(node), "-name", name, path)
            #expect(done.exit == .code(0), "\(done)")
            #expect(done.output.hasPrefix("Export of database \"\(name)\" in "))
            #expect(try Files.read(path) == node.export(name))
            for suffix in ["-wal", "-shm", "-journal", ".tmp"] { #expect(!Files.exists(path + suffix)) }
            let copy = try SQLiteConnection(path)
            #expect(try copy.value("SELECT count(*) FROM t") == "100")
            copy.close()
        }
        let lost = try litefs("export", "-url", "127.0.0.1:1", "-name", name, path)
        #expect(lost.exit == .code(1) && lost.errors.contains("does not answer"), "\(lost)")
        let nowhere = try litefs("export", "-url", url(primary), "-name", name, "/no/such/folder/x.db")
        #expect(nowhere.exit == .code(1) && nowhere.errors.contains("/no/such/folder/x.db"), "\(nowhere)")
    }

    @Test func `A program is run on a candidate only, in place of the command`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try cluster.replica)
        let script = ["--", "sh", "-c", "echo ran; exit 7"]
        func run(_ flags: String...) throws -> Outcome {
            try Outcome.of([try Binary.path("litefs"), "run"] + flags + script, in: cluster.folder.path)
        }
        let plain = try run()
        #expect(plain.exit == .code(7) && plain.output == "ran\n", "\(plain)")
        let there = try run("-if-candidate", "-v", "-url", url(primary))
        #expect(there.exit == .code(7) && there.output == "ran\n", "\(there)")
        #expect(there.errors.contains("fetching node metadata"))
        let elsewhere = try run("-if-candidate", "-url", url(replica))
        #expect(elsewhere.exit == .code(0) && elsewhere.output.isEmpty, "\(elsewhere)")
        #expect(elsewhere.errors == "node is not a candidate, skipping execution\n")
        let lost = try run("-if-candidate", "-url", "http://127.0.0.1:1")
        #expect(lost.exit == .code(1) && lost.output.isEmpty, "\(lost)")
        let missing = try litefs("run", "--", "/no/such/program")
        #expect(missing.exit == .code(1) && missing.errors.contains("/no/such/program"), "\(missing)")
    }

    @Test func `Nodes are shown with their roles and databases`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try cluster.replica)
        try primary.sqlite3("shown.db", "PRAGMA journal_mode=wal; CREATE TABLE t(b);")
        try expectConverged("shown.db", primary, replica)
        let both = try litefs("status", "-url", url(primary), "-url", url(replica))
        #expect(both.exit == .code(0), "\(both)")
        let lines = both.output.split(separator: "\n").map(String.init)
        #expect(lines.contains { $0.hasPrefix("primary, databases at \(primary.mount)") }, "\(both.output)")
        #expect(lines.contains { $0.hasPrefix("replica of primary-host, ") }, "\(both.output)")
        let rows = lines.filter { $0.hasPrefix("shown.db ") }
        let position = try primary.position("shown.db")
        #expect(rows.count == 2)
        for row in rows {
            #expect(row.contains(position.txid.description) && row.contains(position.postApply.description))
            #expect(row.contains(" wal "))
        }
        let json = try litefs("status", "-json", "-url", url(primary))
        #expect(try JSONValue.parse(json.output)["isPrimary"]?.boolean == true)
        let lost = try litefs("status", "-url", url(primary), "-url", "http://127.0.0.1:1")
        #expect(lost.exit == .code(1) && lost.output.contains("shown.db"), "\(lost)")
        #expect(lost.errors.contains("http://127.0.0.1:1 does not answer"))
        try primary.stop()
        try eventually("the replica has noticed") { replica.log.contains("disconnected from primary") }
        let alone = try litefs("status", "-url", url(replica))
        #expect(alone.exit == .code(1) && alone.output.contains("not connected to its primary"), "\(alone)")
        try primary.start()
        try eventually("it is connected again") {
            try litefs("status", "-url", url(replica)).exit == .code(0)
        }
    }

    @Test func `A configuration file is checked without being used`() throws {
        let cluster = try Cluster.current()
        let path = cluster.folder.path + "/check.yml"
        let fine =
            "fuse: {dir: /x}\ndata: {dir: /y}\nlease: {type: static, candidate: true, advertise-url: http://a:20202}\n"
        try Files.replace(path, with: Array(fine.utf8))
        let good = try litefs("check-config", "-config", path)
        #expect(
            good.exit == .code(0) && good.output.contains("can be used: this node is the primary"),
            "\(good)"
        )
        #expect(!Files.exists("/x") && !Files.exists("/y"))
        try Files.replace(path, with: Array((fine + "fusse: 1\n").utf8))
        let bad = try litefs("check-config", path)
        #expect(bad.exit == .code(2) && bad.errors.contains("did you mean fuse?"), "\(bad)")
    }
}
