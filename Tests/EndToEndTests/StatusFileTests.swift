import Glibc
import Harness
import JSON
import LTX
import POSIX
import Testing

/// `.litefs/NAME.json`, for readers on the node.
@Suite(.serialized, .cluster(), .logsOnFailure)
struct StatusFileTests {
    /// What the file says, read as many programs do: as many bytes as it is said to have.
    private func status(_ node: DaemonProcess, _ name: String) throws -> JSONValue {
        let path = node.path(".litefs/\(name).json")
        let size = try Files.status(path).size
        let bytes = try Files.read(path)
        try check(Int64(bytes.count) == size, "\(bytes.count) bytes of \(size)")
        try check(bytes.last == 10 && bytes.filter { $0 == 10 }.count == 1, "one line")
        return try JSONValue.parse(bytes)
    }

    private func generation(_ node: DaemonProcess, _ name: String) throws -> String {
        try #require(try status(node, name)["generation"]?.string)
    }

    @Test(arguments: ["wal", "delete"])
    func `The file says what a reader has to know, on both nodes`(mode: String) throws {
        let (primary, replica) = try nodes()
        let name = "told-\(mode).db"
        #expect(!Files.exists(primary.path(".litefs/\(name).json")))
        try primary.sqlite3(name, "PRAGMA page_size=8192; PRAGMA journal_mode=\(mode); CREATE TABLE t(a);")
        try primary.sqlite3(name, "INSERT INTO t VALUES(1);")
        try waitForSamePosition(name, primary, replica)
        for node in [primary, replica] {
            let told = try status(node, name)
            let position = try node.position(name)
            #expect(told["name"]?.string == name)
            #expect(told["role"]?.string == (node.settings.isPrimary ? "primary" : "replica"))
            #expect(told["position"]?.string == "\(position)")
            #expect(told["txid"]?.integer == Int64(position.txid.rawValue))
            #expect(told["generation"]?.string?.count == 16)
            #expect(told["journalMode"]?.string == (try node.sqlite3(name, "PRAGMA journal_mode;")))
            #expect(told["pageSize"]?.integer == 8192 && told["pages"]?.integer == 2)
            #expect(told["ready"]?.boolean == true)
            #expect((told["lagMs"]?.integer ?? -1) >= 0)
        }
        let listed = try Files.list(primary.path(".litefs")).map(\.name)
        #expect(listed.contains("\(name).json") && !listed.contains(".json"))
        #expect(try Files.list(primary.mount).first { $0.name == ".litefs" }?.isDirectory == true)
    }

    @Test
    func `The generation is that of the file, and stays when the daemon starts again`() async throws {
        try await withCluster { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let name = "file.db"
            try primary.sqlite3(name, "CREATE TABLE t(a); INSERT INTO t VALUES(1);")
            try waitForSamePosition(name, primary, replica)
            let first = (try generation(primary, name), try generation(replica, name))
            try primary.sqlite3(name, "INSERT INTO t VALUES(2); PRAGMA journal_mode=wal; VACUUM;")
            try expectConverged(name, primary, replica)
            #expect(try generation(primary, name) == first.0)
            #expect(try generation(replica, name) == first.1)
            for node in cluster.nodes {
                try node.kill()
                try node.start()
            }
            #expect(try generation(primary, name) == first.0)
            #expect(try generation(replica, name) == first.1)

            // Another file on the primary; on the replica the same one, with another content.
            try primary.sqlite3("staged.tmp", "CREATE TABLE t(a); INSERT INTO t VALUES(3);")
            try Files.rename(primary.path("staged.tmp"), primary.path(name))
            let renamed = try generation(primary, name)
            #expect(renamed != first.0)
            try expectConverged(name, primary, replica)
            #expect(try generation(replica, name) == first.1)

            // Another file on both.
            try Files.unlink(primary.path(name))
            try eventually("it is gone") { !Files.exists(replica.path(".litefs/\(name).json")) }
            #expect(!Files.exists(primary.path(".litefs/\(name).json")))
            try primary.sqlite3(name, "CREATE TABLE t(a); INSERT INTO t VALUES(4);")
            try expectConverged(name, primary, replica)
            #expect(try ![first.0, renamed].contains(generation(primary, name)))
            #expect(try generation(replica, name) != first.1)
        }
    }

    @Test
    func `A program that watches the file hears of each change after it can be read`() throws {
        let (primary, replica) = try nodes()
        let name = "watched.db"
        try primary.sqlite3(name, "PRAGMA journal_mode=wal; CREATE TABLE t(a);")
        try waitForSamePosition(name, primary, replica)
        let watches = try [primary, replica].map { ($0, try NameWatch($0.path(".litefs/\(name).json"))) }
        let connection = try primary.open(name)
        for number in 1...20 {
            try connection.run("INSERT INTO t VALUES(\(number))")
            let wanted = try primary.position(name)
            for (node, watch) in watches {
                try eventually("\(wanted) on \(node.settings.name), told by an event") {
                    guard watch.events().contains(.init(kind: .modify, name: "")) else { return false }
                    return try status(node, name)["position"]?.string == "\(wanted)"
                }
            }
            #expect(try replica.sqlite3(name, "SELECT max(a) FROM t;") == "\(number)")
        }
        connection.close()
    }

    @Test
    func `A program that watches the folder hears of databases that come, change and go`() throws {
        let (primary, replica) = try nodes()
        let name = "coming.db"
        let watches = try [primary, replica].map { try NameWatch($0.path(".litefs")) }
        for round in 1...3 {
            try primary.sqlite3(name, "CREATE TABLE t(a);")
            for watch in watches { try watch.wait(for: .init(kind: .create, name: name + ".json")) }
            try primary.sqlite3(name, "INSERT INTO t VALUES(\(round));")
            for watch in watches { try watch.wait(for: .init(kind: .modify, name: name + ".json")) }
            try Files.unlink(primary.path(name))
            for watch in watches { try watch.wait(for: .init(kind: .delete, name: name + ".json")) }
        }
    }

    @Test
    func `A file that is watched and goes tells so, and comes back as another one`() throws {
        let (primary, replica) = try nodes()
        let name = "going.db"
        try primary.sqlite3(name, "CREATE TABLE t(a);")
        try waitForSamePosition(name, primary, replica)
        for node in [replica, primary] {
            let watch = try NameWatch(node.path(".litefs/\(name).json"))
            if Files.exists(primary.path(name)) { try Files.unlink(primary.path(name)) }
            try watch.wait(for: .init(kind: .deleteSelf, name: ""))
            try primary.sqlite3(name, "CREATE TABLE t(a);")
            try waitForSamePosition(name, primary, replica)
        }
    }

    @Test
    func `A watch lives on for longer than the daemon trusts look-ups, and nobody else is told`() async throws
    {
        // Writes to the log are not counted.
        let passing: (inout NodeSettings) -> Void = { $0.passthrough = "on" }
        try await withCluster(replicas: 0, configure: passing) { try outliveTrust($0.primary) }
    }

    private func outliveTrust(_ primary: DaemonProcess) throws {
        let name = "long.db"
        try primary.sqlite3(name, "PRAGMA journal_mode=wal; CREATE TABLE t(a);")
        let connection = try primary.open(name)
        func writes() throws -> Double {
            try primary.metric("litefs_fuse_requests_total{op=\"write\"}") ?? 0
        }
        func commits(for time: Duration) throws {
            let end = MonotonicTime.now + time
            while .now < end {
                try connection.run("INSERT INTO t VALUES(1)")
                pause(.milliseconds(2))
            }
        }
        // Somebody looked, and nobody watches.
        _ = try status(primary, name)
        try commits(for: .milliseconds(5500))
        try connection.run("PRAGMA wal_checkpoint; INSERT INTO t VALUES(1)")
        pause(.milliseconds(100))
        let before = try writes()
        try commits(for: .milliseconds(300))
        #expect(try writes() - before < 20)

        let watch = try NameWatch(primary.path(".litefs/\(name).json"))
        try commits(for: .milliseconds(5500))
        _ = watch.events()
        try connection.run("INSERT INTO t VALUES(2)")
        try watch.wait(for: .init(kind: .modify, name: ""))
        connection.close()
    }

    @Test
    func `Programs cannot change the folder`() throws {
        let (primary, replica) = try nodes()
        try primary.sqlite3("fixed.db", "CREATE TABLE t(a);")
        try waitForSamePosition("fixed.db", primary, replica)
        for node in [primary, replica] {
            let (folder, file) = (node.path(".litefs"), node.path(".litefs/fixed.db.json"))
            #expect(throws: Errno.accessDenied) {
                _ = try FileDescriptor.open(folder + "/new", [.writeOnly, .create])
            }
            #expect(throws: Errno.self) { _ = try FileDescriptor.open(file, .writeOnly) }
            #expect(throws: Errno.accessDenied) { try Files.unlink(file) }
            #expect(throws: Errno.self) { try Files.makeDirectory(folder + "/new") }
            #expect(throws: Errno.self) { try Files.removeDirectory(folder) }
            #expect(throws: Errno.self) { try Files.rename(file, node.path("elsewhere")) }
            #expect(throws: Errno.self) { try Files.rename(folder, node.path("elsewhere")) }
            #expect(throws: Errno.self) { try Files.makeSymbolicLink(folder + "/link", to: "x") }
            #expect(throws: Errno.self) { try Files.makeDirectory(folder) }
            _ = try status(node, "fixed.db")
        }
    }

    @Test
    func `Reads in the middle of commits are whole and never go back`() throws {
        let (primary, replica) = try nodes()
        let name = "busy.db"
        try primary.sqlite3(name, "PRAGMA journal_mode=wal; CREATE TABLE ledger(a);")
        try waitForSamePosition(name, primary, replica)
        let writer = try Program(
            [try Binary.path("workload"), "write", primary.path("busy2.db"), "wal", "1", "mixed", "400"],
            output: primary.settings.folder + "/status-writer"
        )
        var last: [Int64] = [0, 0]
        while writer.exit == nil {
            for (index, node) in [primary, replica].enumerated()
            where Files.exists(node.path(".litefs/busy2.db.json")) {
                let txid = try #require(try status(node, "busy2.db")["txid"]?.integer)
                try check(txid >= last[index], "\(txid) after \(last[index])")
                last[index] = txid
            }
        }
        #expect(writer.exit == .code(0) && last[0] > 1)
    }

    private func nodes() throws -> (DaemonProcess, DaemonProcess) {
        let cluster = try Cluster.current()
        return (cluster.primary, try cluster.replica)
    }
}
