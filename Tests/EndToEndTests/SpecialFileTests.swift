import Harness
import LTX
import POSIX
import Testing

@Suite(.serialized, .cluster(), .logsOnFailure)
struct SpecialFileTests {
    @Test
    func `The primary has no .primary, and its lag is zero`() throws {
        let primary = try Cluster.current().primary
        #expect(!Files.exists(primary.path(".primary")))
        #expect(throws: Errno.noEntry) { _ = try Files.read(primary.path(".primary")) }
        #expect(try content(primary, ".lag") == "+000000000\n")
        let names = try Files.list(primary.mount).map(\.name)
        #expect(names.contains(".lag") && !names.contains(".primary"), "\(names)")
    }

    @Test
    func `A connected replica names the primary and shows its lag`() throws {
        let replica = try Cluster.current().replica
        try eventually(".primary is there") { Files.exists(replica.path(".primary")) }
        #expect(try content(replica, ".primary") == "primary-host\n")
        #expect(try Files.status(replica.path(".primary")).size == 13)
        #expect(try Files.status(replica.path(".lag")).size == 11)
        let lag = try content(replica, ".lag")
        #expect(
            lag.utf8.count == 11 && (lag.hasPrefix("+") || lag.hasPrefix("-")) && lag.hasSuffix("\n"),
            "\(lag)"
        )
        let names = try Files.list(replica.mount).map(\.name)
        #expect(names.contains(".lag") && names.contains(".primary"), "\(names)")
    }

    @Test
    func `The lag of a replica that follows is small`() throws {
        let cluster = try Cluster.current()
        let replica = try cluster.replica
        try cluster.primary.sqlite3("lag.db", "CREATE TABLE t(a);")
        try expectConverged("lag.db", cluster.primary, replica)
        try eventually("a lag under two seconds") {
            (Int(try content(replica, ".lag").dropLast()) ?? .max) < 2000
        }
    }

    @Test
    func `The position file holds TXID and checksum in 34 bytes and follows each commit`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = (cluster.primary, try cluster.replica)
        let connection = try primary.open("pos.db")
        try connection.run("PRAGMA journal_mode=wal; CREATE TABLE t(a)")
        var last = TXID.zero
        for index in 0..<20 {
            try connection.run("INSERT INTO t VALUES(\(index))")
            let text = try content(primary, "pos.db-pos")
            #expect(text.utf8.count == 34 && text.hasSuffix("\n"))
            let position = try #require(Position(String(text.dropLast())))
            #expect(index == 0 || position.txid.rawValue == last.rawValue + 1)
            last = position.txid
        }
        connection.close()
        for node in [primary, replica] {
            try waitForSamePosition("pos.db", primary, replica)
            let status = try Files.status(node.path("pos.db-pos"))
            #expect(status.size == 34)
            #expect(try Files.list(node.mount).map(\.name).contains("pos.db-pos"))
        }
        try expectConverged("pos.db", primary, replica)
        #expect(!Files.exists(primary.path("unknown.db-pos")))
    }

    @Test
    func `Special files cannot be written, removed or renamed`() throws {
        let cluster = try Cluster.current()
        let primary = cluster.primary
        try primary.sqlite3("special.db", "CREATE TABLE t(a);")
        for name in [".lag", "special.db-pos"] {
            let path = primary.path(name)
            let before = try content(primary, name)
            #expect(throws: Errno.self) { try FileDescriptor.open(path, .writeOnly).write([1], at: 0) }
            #expect(throws: Errno.self) { try Files.unlink(path) }
            #expect(throws: Errno.self) { try Files.rename(path, primary.path("elsewhere")) }
            #expect(throws: Errno.self) { try Files.rename(primary.path("special.db"), path) }
            #expect(try content(primary, name) == before)
        }
        try primary.sqlite3("special.db", "INSERT INTO t VALUES(1);")
        try expectConverged("special.db", primary, try cluster.replica)
    }

    @Test
    func `The lock file can be opened as client libraries do, and then files can still be created`() throws {
        let cluster = try Cluster.current()
        let primary = cluster.primary
        try primary.sqlite3("lock.db", "CREATE TABLE t(a);")
        _ = try FileDescriptor.open(primary.path("lock.db-lock"), [.readWrite, .create])
        _ = try? FileDescriptor.open(primary.path("nothing.db-lock"), [.readWrite, .create])
        #expect(!(try Files.list(primary.mount).contains { $0.name == "lock.db-lock" }))
        try primary.sqlite3("created-after.db", "CREATE TABLE t(a);")
        try expectConverged("created-after.db", primary, try cluster.replica)
    }

    @Test
    func `A replica that lost its primary has no .primary, and its lag grows`() throws {
        let cluster = try Cluster.current()
        let replica = try cluster.replica
        try eventually(".primary is there") { Files.exists(replica.path(".primary")) }
        try cluster.primary.stop()
        try eventually(".primary is gone") { !Files.exists(replica.path(".primary")) }
        try eventually("the lag grows") { (Int(try content(replica, ".lag").dropLast()) ?? 0) > 300 }
        try cluster.primary.start()
        try eventually(".primary is back") { Files.exists(replica.path(".primary")) }
        try cluster.primary.sqlite3("back.db", "CREATE TABLE t(a);")
        try expectConverged("back.db", cluster.primary, replica)
    }

    @Test
    func `Before its first word from the primary a replica's lag is the largest`() async throws {
        try await withCluster(isStarted: false) { cluster in
            let replica = try cluster.replica
            try replica.start(until: .mounted)
            #expect(try content(replica, ".lag") == "+2147483647\n")
            #expect(!Files.exists(replica.path(".primary")))
            try cluster.primary.start()
            try eventually("the lag falls") { try content(replica, ".lag") != "+2147483647\n" }
            try cluster.primary.sqlite3("first.db", "CREATE TABLE t(a);")
            try expectConverged("first.db", cluster.primary, replica)
        }
    }

    private func content(_ node: DaemonProcess, _ name: String) throws -> String {
        String(decoding: try Files.read(node.path(name)), as: UTF8.self)
    }
}
