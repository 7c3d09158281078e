import Harness
import LTX
import POSIX
import SQLiteFormat
import Testing
import WAL2

/// A database in wal2 mode, as zero-cache has it: written on the primary's mount, read on the replica's.
@Suite(.serialized, .cluster(), .logsOnFailure)
struct WAL2Tests {
    private let folder: TestFolder

    init() throws {
        folder = try TestFolder()
    }

    private func nodes() throws -> (DaemonProcess, DaemonProcess) {
        let cluster = try Cluster.current()
        return (cluster.primary, try cluster.replica)
    }

    /// Makes a database on the primary, and has it say wal2.
    private func make(_ name: String, on node: DaemonProcess, pageSize: Int = 4096) throws -> WAL2Shadow {
        let shadow = try WAL2Shadow(folder.path + "/" + name, pageSize: pageSize)
        try FileDescriptor.open(node.path(name), [.readWrite, .create])
            .write(Files.read(shadow.path), at: 0)
        try eventually("\(name) is replicated") { (try? node.position(name).txid.rawValue) ?? 0 > 0 }
        try WAL2Connection.setJournalMode(.wal2, of: node.path(name))
        return shadow
    }

    /// A connection to the replica's database, once that is in wal2 mode.
    private func reader(_ name: String, on node: DaemonProcess) throws -> WAL2Connection {
        try eventually("\(name) is in wal2 mode on \(node.settings.name)") {
            guard let file = try? FileDescriptor.open(node.path(name), .readOnly) else { return false }
            let header = try [UInt8](unsafeUninitializedCapacity: 100) { buffer, count in
                count = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
            }
            return header.count == 100 && header[18] == 3 && Files.exists(node.path(name) + "-wal2")
        }
        return try WAL2Connection(node.path(name))
    }

    private func expectSame(
        _ name: String,
        _ shadow: WAL2Shadow,
        _ primary: DaemonProcess,
        _ replica: DaemonProcess,
        _ reader: WAL2Connection
    ) throws {
        try waitForSamePosition(name, primary, replica)
        #expect(try primary.export(name) == shadow.image)
        #expect(try replica.export(name) == shadow.image)
        #expect(try reader.image() == shadow.image)
        #expect(try databaseChecksum(shadow.image) == primary.position(name).postApply)
    }

    @Test
    func
        `Each commit has its transaction, through many switches of the log, and replicas read it in wal2 mode`()
        throws
    {
        let (primary, replica) = try nodes()
        let name = "switches.db"
        let shadow = try make(name, on: primary)
        let connection = try WAL2Connection(primary.path(name))
        connection.switchAt = 50
        try shadow.commit("INSERT INTO t(v) VALUES(1)", to: connection)
        let reader = try reader(name, on: replica)
        let before = try primary.position(name).txid.rawValue
        for number in 1...300 {
            let sql =
                number % 10 == 0
                ? "DELETE FROM t WHERE id % 5 = \(number % 5)"
                : "INSERT INTO t(v) VALUES(randomblob(\(number * 37 % 9000)))"
            try shadow.commit(sql, to: connection, spills: number % 6 == 0)
            if number % 9 == 0 {
                try connection.beginWrite()
                try connection.write(1, [UInt8](repeating: 7, count: shadow.pageSize))
                connection.rollback()
            }
            if number % 4 == 0 { try connection.checkpoint() }
            if number % 60 == 0 {
                #expect(try primary.position(name).txid.rawValue == before + UInt64(number))
                try expectSame(name, shadow, primary, replica, reader)
            }
        }
        try expectSame(name, shadow, primary, replica, reader)
        #expect(try primary.metric("litefs_db_withdrawn_count{db=\"\(name)\"}") == 0)
        #expect(try WAL2Shadow.integrity(of: reader.image(), at: folder.path + "/check.db") == "ok")
        let info = try primary.info()
        #expect("\(info)".contains("wal2"))
        #expect(throws: WAL2Error.readOnly) { try reader.beginWrite() }
        try connection.close()
    }

    @Test
    func `A reader of the replica keeps its snapshot while thousands of frames are applied`() throws {
        let (primary, replica) = try nodes()
        let name = "snapshot.db"
        let shadow = try make(name, on: primary)
        let connection = try WAL2Connection(primary.path(name))
        try shadow.commit("INSERT INTO t(v) VALUES(randomblob(100000))", to: connection)
        let (old, fresh) = (try reader(name, on: replica), try reader(name, on: replica))
        try waitForSamePosition(name, primary, replica)
        try old.beginRead()
        let before = shadow.image
        connection.switchAt = 300
        for _ in 1...30 {
            try shadow.commit("INSERT INTO t(v) VALUES(randomblob(200000))", to: connection)
            try connection.checkpoint()
        }
        try expectSame(name, shadow, primary, replica, fresh)
        var seen: [UInt8] = []
        for page in 1...old.pageCount { seen += try old.page(page) }
        #expect(seen == before)
        old.endRead()
        #expect(try old.image() == shadow.image)
        try connection.close()
    }

    @Test
    func `Replicas stay in wal2 mode while the primary goes through a rollback journal`() throws {
        let (primary, replica) = try nodes()
        let name = "cycle.db"
        var shadow = try make(name, on: primary)
        var connection = try WAL2Connection(primary.path(name))
        for _ in 1...5 { try shadow.commit("INSERT INTO t(v) VALUES(randomblob(5000))", to: connection) }
        let reader = try reader(name, on: replica)
        for round in 1...3 {
            try expectSame(name, shadow, primary, replica, reader)
            // What zero-cache does at each start.
            #expect(try connection.close())
            #expect(!Files.exists(primary.path(name) + "-wal2"))
            try WAL2Connection.setJournalMode(.rollback, of: primary.path(name))
            try primary.sqlite3(
                name,
                "PRAGMA journal_mode=delete; INSERT INTO t(v) VALUES('round \(round)'); VACUUM;"
            )
            try waitForSamePosition(name, primary, replica)
            #expect(try reader.image().dropFirst(100).elementsEqual(primary.export(name).dropFirst(100)))
            #expect(try reader.image()[18] == 3)
            let path = folder.path + "/round-\(round).db"
            try WAL2Shadow.write(primary.export(name), to: path)
            shadow = try WAL2Shadow(path)
            try WAL2Connection.setJournalMode(.wal2, of: primary.path(name))
            connection = try WAL2Connection(primary.path(name))
            try shadow.commit("INSERT INTO t(v) VALUES(randomblob(70000))", to: connection)
        }
        try expectSame(name, shadow, primary, replica, reader)
        try connection.close()
    }

    @Test
    func `Daemons that are killed lose nothing that was committed in either file`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = try nodes()
        let name = "killed.db"
        let shadow = try make(name, on: primary)
        for round in 1...6 {
            let connection = try WAL2Connection(primary.path(name))
            connection.switchAt = 20
            for number in 1...40 {
                try shadow.commit("INSERT INTO t(v) VALUES(randomblob(\(number * 300)))", to: connection)
                if number % 8 == 0 { try connection.checkpoint() }
            }
            let node = round % 2 == 0 ? replica : primary
            try node.kill()
            node.removeDeadMount()
            try node.start()
            try waitForSamePosition(name, primary, replica)
            #expect(try primary.export(name) == shadow.image, "round \(round)")
            #expect(try reader(name, on: replica).image() == shadow.image, "round \(round)")
        }
        withExtendedLifetime(cluster) {}
    }

    @Test(arguments: 1...3)
    func `A writer that is killed at any moment leaves whole transactions, the same on both nodes`(
        round: Int
    ) throws {
        let (primary, replica) = try nodes()
        let name = "writer-\(round).db"
        var random = Seed.sequence(for: name)
        let shadow = try make(name, on: primary)
        try shadow.commit("INSERT INTO t(v) VALUES(1)", to: WAL2Connection(primary.path(name)))
        let reader = try reader(name, on: replica)
        var content = shadow.path
        for life in 1...6 {
            let writer = try Program(
                [Binary.path("workload"), "wal2", primary.path(name), content, "100000", "40"],
                output: "\(folder.path)/output-\(round)-\(life)"
            )
            let wanted = Int.random(in: 1...60, using: &random)
            try eventually("\(wanted) commits in life \(life)") {
                writer.output.split(separator: "\n").count >= wanted
            }
            try writer.kill()
            let connection = try WAL2Connection(primary.path(name))
            let image = try connection.image()
            #expect(try WAL2Shadow.integrity(of: image, at: folder.path + "/check.db") == "ok")
            try waitForSamePosition(name, primary, replica)
            #expect(try primary.export(name) == image, "life \(life)")
            #expect(try reader.image() == image, "life \(life)")
            content = folder.path + "/life-\(round)-\(life).db"
            try WAL2Shadow.write(image, to: content)
            let rows = try SQLiteConnection(content).run("SELECT count(*) FROM t")
            #expect((rows.first.flatMap { Int($0) } ?? 0) > 0)
        }
    }

    @Test
    func `A log of a version that is not supported is named, and stops nothing but its database`() throws {
        let (primary, replica) = try nodes()
        let name = "unknown.db"
        try primary.sqlite3(name, "CREATE TABLE t(x); INSERT INTO t VALUES(1);")
        try waitForSamePosition(name, primary, replica)
        let log = try FileDescriptor.open(primary.path(name) + "-wal", [.readWrite, .create])
        let header = WALHeader(
            pageSize: try #require(PageSize(4096)),
            checkpointSequence: 0,
            salt1: 1,
            salt2: 2,
            version: .wal2HeaderChecksums
        )
        var bytes = [UInt8](repeating: 0, count: WALHeader.size)
        bytes.withUnsafeMutableBytes { header.encode(into: $0) }
        // Refused where the write is seen, reported where it is not.
        try? log.write(bytes, at: 0)
        try eventually("the version is named") {
            _ = try? primary.position(name)
            return primary.log.contains("3048000") && primary.log.contains("not supported")
        }
        try primary.sqlite3("other.db", "CREATE TABLE t(x);")
        try waitForSamePosition("other.db", primary, replica)
        try Files.unlink(primary.path(name) + "-wal")
        try primary.sqlite3(name, "INSERT INTO t VALUES(2);")
        try expectConverged(name, primary, replica, isReplayed: false)
    }
}
