import Harness
import POSIX
import PowerLoss
import Soak
import Testing

/// What is on disk for certain at a moment: all that is left when power fails and takes everything that was not synced.
@Suite(.serialized)
struct DurabilityTests {
    private let name = "durable.db"
    private let folder = "data/dbs/durable.db/"

    /// Starts one recorded node, does something with it, and ends it.
    private func withRecordedNode(_ body: (DaemonProcess) throws -> Void) throws {
        try withNodes(replicas: 0, isStarted: false) { settings in
            settings.record()
        } _: { cluster in
            let node = cluster.primary
            let disk = try node.makeDisk()
            defer { disk.remove() }
            try node.start()
            try body(node)
            try node.stop()
        }
    }

    /// What is certain now.
    private func certain(_ node: DaemonProcess) throws -> [String: DiskState.File] {
        var random = SystemRandomNumberGenerator()
        return try node.recording().disk().state(.nothing, &random).files
    }

    /// Whether a file of the database is certain to have the content that it has.
    private func isCertain(_ file: String, _ node: DaemonProcess) throws -> Bool {
        let content = try Files.read(node.settings.diskFolder + "/" + folder + file)
        return try certain(node)[folder + file]?.content.bytes == content
    }

    @Test(arguments: ["delete", "truncate", "persist", "wal"])
    func `The first commit of a new database is on disk, with the names of all folders`(mode: String) throws {
        try withRecordedNode { node in
            let connection = try node.open(name)
            try connection.run("PRAGMA synchronous=EXTRA; PRAGMA journal_mode=\(mode); CREATE TABLE t(x);")
            #expect(try isCertain(mode == "wal" ? "wal" : "database", node))
            if mode != "wal" {
                #expect(try certain(node)[folder + "database"]?.content.bytes.isEmpty == false)
            }
            connection.close()
        }
    }

    @Test
    func `A dropped database stays dropped once the mount's folder was synced`() throws {
        try withRecordedNode { node in
            let connection = try node.open(name)
            try connection.run("PRAGMA synchronous=EXTRA; CREATE TABLE t(x);")
            connection.close()
            #expect(try certain(node)[folder + "database"] != nil)
            try Files.unlink(node.path(name))
            #expect(try certain(node)[folder + "database"] != nil)
            try Files.synchronizeDirectory(node.mount)
            #expect(try certain(node)[folder + "database"] == nil)
        }
    }

    @Test
    func `The record of a drop is on disk before the database is gone`() throws {
        try withRecordedNode { node in
            let connection = try node.open(name)
            try connection.run("PRAGMA synchronous=OFF; PRAGMA journal_mode=wal; CREATE TABLE t(x);")
            connection.close()
            try Files.unlink(node.path(name))
            let recording = try node.recording()
            let removal = try required(
                recording.records.lastIndex { record in
                    if case .remove(let place) = record.change { place.name == "database" } else { false }
                },
                "the removal is recorded"
            )
            var random = SystemRandomNumberGenerator()
            let files = recording.disk(after: removal).state(.nothing, &random).files.keys
            #expect(files.contains(folder + "ltx/0000000000000003-0000000000000003.ltx.tmp"), "\(files)")
        }
    }

    @Test
    func `Commits whose records are gone are captured again at the start, all before the first is recorded`()
        throws
    {
        try withNodes(replicas: 0) { cluster in
            let node = cluster.primary
            for _ in 0..<8 {
                let connection = try node.open(name)
                try connection.run(
                    "PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; CREATE TABLE IF NOT EXISTS t(x);"
                )
                for number in 0..<100 { try connection.run("INSERT INTO t VALUES(\(number))") }
                try node.kill()
                connection.close()
                let records = node.settings.dataFolder + "/dbs/\(name)/ltx"
                let names = try Files.list(records).map(\.name).sorted()
                for name in names.dropFirst(2) { try Files.unlink(records + "/" + name) }
                try node.start()
                let count = try node.sqlite3(name, "SELECT count(*) % 100 FROM t; DELETE FROM t;")
                #expect(count == "0")
                #expect(!node.runLog.contains("cannot store transactions"), "\(node.runLog)")
            }
        }
    }

    @Test
    func
        `A first transaction that is rolled back after its record was kept leaves replicas without the database`()
        throws
    {
        try withNodes { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            let connection = try primary.open(name)
            try connection.run("PRAGMA journal_mode=persist; CREATE TABLE t(x);")
            try waitForSamePosition(name, primary, replica)
            connection.close()
            try primary.kill()
            // As if the end of the journal had not reached the disk: its header, of a file without pages before.
            let journal = try FileDescriptor.open(
                primary.settings.dataFolder + "/dbs/\(name)/journal",
                [.readWrite, .create]
            )
            let header: [UInt8] =
                [
                    0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0,
                    2, 0, 0, 0, 16, 0,
                ]
            try journal.write(header + Array(repeating: 0, count: 512 - header.count), at: 0)
            try primary.start()
            #expect(try primary.sqlite3(name, "SELECT count(*) FROM sqlite_schema") == "0")
            try eventually("the replica does not show it") { !Files.exists(replica.path(name)) }
            try primary.sqlite3(name, "CREATE TABLE t(x); INSERT INTO t VALUES(1);")
            try expectConverged(name, primary, replica, isReplayed: false)
        }
    }

    @Test
    func `A replica that lost the database and kept its records fetches it again`() throws {
        try withNodes { cluster in
            let replica = try cluster.replica
            try cluster.primary.sqlite3(name, "CREATE TABLE t(x); INSERT INTO t VALUES(1);")
            try expectConverged(name, cluster.primary, replica)
            try replica.kill()
            for file in ["database", "wal", "shm"] {
                try Files.unlink(replica.settings.dataFolder + "/dbs/\(name)/" + file)
            }
            try replica.start()
            try expectConverged(name, cluster.primary, replica)
        }
    }

    @Test
    func `A replica without any record finds that its content is the primary's, and can be exported`() throws
    {
        try withNodes { cluster in
            let replica = try cluster.replica
            try cluster.primary.sqlite3(
                name,
                "PRAGMA journal_mode=wal; CREATE TABLE t(x); INSERT INTO t VALUES(1);"
            )
            try expectConverged(name, cluster.primary, replica)
            try replica.kill()
            let records = replica.settings.dataFolder + "/dbs/\(name)/ltx"
            for entry in try Files.list(records) { try Files.unlink(records + "/" + entry.name) }
            try replica.start()
            try expectConverged(name, cluster.primary, replica)
        }
    }

    @Test
    func `Saved checksums vouch for what is on disk, and are gone from it before anybody can write`() throws {
        try withRecordedNode { node in
            let connection = try node.open(name)
            try connection.run(
                "PRAGMA synchronous=NORMAL; PRAGMA journal_mode=wal; CREATE TABLE t(x); INSERT INTO t VALUES(1);"
            )
            #expect(try !isCertain("wal", node))
            try node.stop()
            connection.close()
            #expect(try isCertain("checksums", node))
            #expect(try isCertain("wal", node))
            #expect(try isCertain("database", node))
            try node.start()
            #expect(try certain(node)[folder + "checksums"] == nil)
        }
    }
}
