import Glibc
import Harness
import LTX
import POSIX
import SQLiteFormat
import Testing
import WAL2

/// Databases in wal2 mode whose logs, indexes and names are in an unusual state.
@Suite(.serialized, .logsOnFailure)
struct WAL2TroubleTests {
    private let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    private func with(passthrough: String, _ body: (Cluster) throws -> Void) async throws {
        let configure: (inout NodeSettings) -> Void = { if $0.isPrimary { $0.passthrough = passthrough } }
        try await withCluster(replicas: 1, configure: configure, body)
    }

    private func make(_ name: String, on node: DaemonProcess) throws -> WAL2Shadow {
        let shadow = try WAL2Shadow(folder.path + "/" + name, pageSize: 4096)
        try FileDescriptor.open(node.path(name), [.readWrite, .create])
            .write(Files.read(shadow.path), at: 0)
        try eventually("\(name) is replicated") { (try? node.position(name).txid.rawValue) ?? 0 > 0 }
        try WAL2Connection.setJournalMode(.wal2, of: node.path(name))
        return shadow
    }

    private func wait(_ name: String, _ node: DaemonProcess, _ txid: UInt64) -> UInt64 {
        try? eventually("txid \(txid)", within: .seconds(5)) { try node.position(name).txid.rawValue >= txid }
        return (try? node.position(name).txid.rawValue) ?? 0
    }

    /// Commits in the file that is not written now, and the next commits there, too.
    private func goOnInOtherFile(_ connection: WAL2Connection, _ shadow: WAL2Shadow) throws {
        connection.switchAt = 1
        try shadow.commit("INSERT INTO t(v) VALUES('switched')", to: connection)
        connection.switchAt = 1000
    }

    @Test(arguments: ["on", "off"])
    func `Commits behind a switch after an unsealed transaction are captured`(
        passthrough: String
    ) async throws {
        try await with(passthrough: passthrough) { cluster in
            let primary = cluster.primary
            let name = "unsealed.db"
            let shadow = try make(name, on: primary)
            let connection = try WAL2Connection(primary.path(name))
            for n in 1...5 { try shadow.commit("INSERT INTO t(v) VALUES(\(n))", to: connection) }
            let before = try primary.position(name).txid.rawValue
            let change = try shadow.change("INSERT INTO t(v) VALUES('unsealed')")
            try connection.beginWrite()
            for page in change.pages.dropLast() { try connection.write(page.number, page.data) }
            let last = try #require(change.pages.last)
            try connection.commitUnsealed(last.number, last.data, size: change.size)
            #expect(wait(name, primary, before + 1) == before + 1)
            try goOnInOtherFile(connection, shadow)
            for n in 1...5 { try shadow.commit("INSERT INTO t(v) VALUES(\(n))", to: connection) }
            #expect(try connection.image() == shadow.image)
            #expect(wait(name, primary, before + 7) == before + 7)
            let isSame = try primary.export(name) == shadow.image
            #expect(isSame)
            try connection.close()
        }
    }

    @Test(arguments: ["on", "off"])
    func `Commits behind a switch that follows a commit whose writer died are captured`(
        passthrough: String
    ) async throws {
        try await with(passthrough: passthrough) { cluster in
            let primary = cluster.primary
            let name = "died.db"
            let shadow = try make(name, on: primary)
            let connection = try WAL2Connection(primary.path(name))
            let other = try WAL2Connection(primary.path(name))
            for n in 1...5 { try shadow.commit("INSERT INTO t(v) VALUES(\(n))", to: connection) }
            let before = try primary.position(name).txid.rawValue
            // Dies after the frame that commits and before it is published.
            try other.beginWrite()
            let page2 = Array(shadow.image[4096..<8192].reversed())
            try other.write(2, page2, commitSize: UInt32(shadow.image.count / 4096))
            other.rollback()
            try goOnInOtherFile(connection, shadow)
            for n in 1...5 { try shadow.commit("INSERT INTO t(v) VALUES(\(n))", to: connection) }
            #expect(try connection.image() == shadow.image)
            #expect(wait(name, primary, before + 6) >= before + 6)
            try eventually("the export is what SQLite has") { try primary.export(name) == shadow.image }
            try connection.checkpoint()
            try eventually("the export is what SQLite has") { try primary.export(name) == shadow.image }
            try connection.close()
        }
    }

    @Test
    func `Comparing pages takes nothing of a commit that is not published yet`() async throws {
        try await with(passthrough: "on") { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let name = "unpublished.db"
            let shadow = try make(name, on: primary)
            let connection = try WAL2Connection(primary.path(name))
            try shadow.commit("INSERT INTO t(v) VALUES(randomblob(50000))", to: connection)
            try connection.close()
            let writer = try WAL2Connection(primary.path(name))
            try shadow.commit("INSERT INTO t(v) VALUES(1)", to: writer)
            let before = try primary.position(name)
            // All but the last store of a commit, which makes the database larger.
            let size = UInt32(shadow.image.count / shadow.pageSize)
            try writer.beginWrite()
            try writer.write(2, Array(shadow.image[4096..<8192].reversed()), commitSize: size + 7)
            // The same bytes once more: a write that no journal and no log explains is compared.
            let untouched = Int64(shadow.pageSize) * 5
            let file = try FileDescriptor.open(primary.path(name), .readWrite)
            try file.write(
                Array(shadow.image[Int(untouched)..<Int(untouched) + shadow.pageSize]),
                at: untouched
            )
            try eventually("the pages were compared") {
                try primary.metric("litefs_db_reconcile_count{db=\"\(name)\"}") ?? 0 > 0
            }
            #expect(try primary.position(name) == before)
            writer.rollback()
            try shadow.commit("INSERT INTO t(v) VALUES(2)", to: writer)
            try waitForSamePosition(name, primary, replica)
            let isSame = try primary.export(name) == shadow.image && replica.export(name) == shadow.image
            #expect(isSame)
            try writer.close()
        }
    }

    @Test
    func `A wal-index that has fewer frames than were captured is not taken over again and again`()
        async throws
    {
        try await with(passthrough: "on") { cluster in
            let primary = cluster.primary
            let name = "fewer.db"
            let shadow = try make(name, on: primary)
            let connection = try WAL2Connection(primary.path(name))
            for n in 1...5 { try shadow.commit("INSERT INTO t(v) VALUES(\(n))", to: connection) }
            _ = try primary.position(name)
            connection.publishFewer()
            pause(.seconds(5))
            let count = primary.log.split(separator: "\n").count { $0.contains("the log is another one") }
            #expect(count < 3)
        }
    }

    @Test(arguments: [false, true])
    func `A replica that becomes the primary makes no new transactions of what it has`(
        isWAL2: Bool
    ) async throws {
        try await withCluster(replicas: 1) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let name = "role.db"
            if isWAL2 {
                let shadow = try make(name, on: primary)
                let connection = try WAL2Connection(primary.path(name))
                for n in 1...20 { try shadow.commit("INSERT INTO t(v) VALUES(\(n))", to: connection) }
                try waitForSamePosition(name, primary, replica)
                try connection.close()
                try waitForSamePosition(name, primary, replica)
            } else {
                try primary.sqlite3(name, "PRAGMA journal_mode=wal; CREATE TABLE t(v);")
                for n in 1...20 { try primary.sqlite3(name, "INSERT INTO t VALUES(\(n));") }
                try waitForSamePosition(name, primary, replica)
            }
            let before = try replica.position(name)
            try replica.stop()
            try primary.stop()
            var settings = replica.settings
            settings.isPrimary = true
            let promoted = try DaemonProcess(settings)
            try promoted.start()
            defer {
                try? promoted.kill()
                promoted.removeDeadMount()
            }
            pause(.seconds(2))
            let after = try promoted.position(name)
            #expect(after == before)
            try promoted.stop()
            try primary.start()
            try replica.start()
        }
    }
}

extension WAL2TroubleTests {
    @Test(arguments: ["on", "off"])
    func `A file that is renamed onto a wal2 database with frames in both files takes its place`(
        passthrough: String
    ) async throws {
        try await with(passthrough: passthrough) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let name = "renamed.db"
            let shadow = try make(name, on: primary)
            do {
                let connection = try WAL2Connection(primary.path(name))
                for n in 1...5 {
                    try shadow.commit("INSERT INTO t(v) VALUES(randomblob(\(n * 9000)))", to: connection)
                }
                try goOnInOtherFile(connection, shadow)
                try shadow.commit("INSERT INTO t(v) VALUES(randomblob(9000))", to: connection)
                // Ends without a close of the database, as a process that is killed.
            }
            try waitForSamePosition(name, primary, replica)
            let other = folder.path + "/other.db"
            _ = try SQLiteConnection(other).run("CREATE TABLE u(x); INSERT INTO u VALUES(randomblob(20000));")
            let content = try Files.read(other, limit: 1 << 30)
            try FileDescriptor.open(primary.path(name + ".tmp"), [.readWrite, .create], mode: 0o644)
                .write(content, at: 0)
            try Files.rename(primary.path(name + ".tmp"), primary.path(name))
            try eventually("the primary has the new content") { try primary.export(name) == content }
            try waitForSamePosition(name, primary, replica)
            let isSame =
                try replica.export(name) == content
                && Files.read(primary.path(name), limit: 1 << 30) == content
            #expect(isSame)
        }
    }

    @Test(arguments: ["on", "off"])
    func `Daemons that are killed beside programs in wal2 mode are missed by nobody`(
        passthrough: String
    ) async throws {
        try await with(passthrough: passthrough) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let name = "missed.db"
            let shadow = try make(name, on: primary)
            try shadow.commit("INSERT INTO t(v) VALUES(1)", to: WAL2Connection(primary.path(name)))
            try eventually("the replica is in wal2 mode") { Files.exists(replica.path(name) + "-wal2") }
            let reader = try WAL2Connection(replica.path(name))
            let writer = try Program(
                [Binary.path("workload"), "wal2", primary.path(name), shadow.path, "1000000", "60"],
                output: folder.path + "/writer"
            )
            func commits() -> Int { writer.output.split(separator: "\n").count }
            for round in 1...10 {
                let before = commits()
                try eventually("commits in round \(round): \(writer.output.suffix(300))") {
                    commits() > before + 15
                }
                let node = round % 3 == 0 ? replica : primary
                let pid = try #require(node.daemonPID)
                Glibc.kill(pid, SIGKILL)
                try eventually("another daemon in round \(round)") {
                    guard let present = node.daemonPID, present != pid else { return false }
                    return node.log.contains("the new daemon (process \(present)) answers")
                }
                #expect(try WAL2Shadow.integrity(of: reader.image(), at: folder.path + "/check.db") == "ok")
            }
            #expect(writer.exit == nil, "\(writer.output.suffix(300))")
            try writer.kill()
            let image = try WAL2Connection(primary.path(name)).image()
            #expect(try WAL2Shadow.integrity(of: image, at: folder.path + "/check.db") == "ok")
            try waitForSamePosition(name, primary, replica)
            let isSame = try primary.export(name) == image && replica.export(name) == image
            #expect(isSame)
            #expect(try reader.image() == image)
        }
    }
}
