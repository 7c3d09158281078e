import LTX
import Logging
import Metrics
import POSIX
import Testing

@testable import Store

/// A daemon that goes on where another one ended in order, while programs write to logs past both.
@Suite struct HandoverTests {
    /// T5 of the architecture: a frame is captured only if it is published; its program may not live to publish it.
    @Test func framesThatNobodyPublishedAreNotCaptured() throws {
        let folder = try DataFolder()
        try folder.edit("one", "PRAGMA journal_mode=wal; CREATE TABLE t(x)")
        try folder.session(closing: true) { _ in }
        let before = try folder.session { store in
            defer { store.handOver() }
            return try #require(store.database(try named("one"))).summary.position
        }

        let path = folder.path + "/dbs/one/database"
        let program = try OpenDatabase(path)
        try program.run("PRAGMA wal_autocheckpoint=0; INSERT INTO t VALUES(1)")
        let published = try Files.read(path + "-shm", limit: 1 << 20)
        try program.run("INSERT INTO t VALUES(2)")
        // As if its program had died before.
        try FileDescriptor.open(path + "-shm", .readWrite).write(published, at: 0)
        for suffix in ["-wal", "-shm"] {
            try Files.link(path + suffix, folder.path + "/dbs/one/" + suffix.dropFirst())
        }

        let log = folder.log
        let store = try Store(
            options: StoreOptions(
                dataDirectory: folder.path,
                isPrimary: true,
                isTakeover: true,
                logsPass: true
            ),
            logger: Logger(level: .debug, sink: { log.append(String(decoding: $0, as: UTF8.self)) }),
            registry: MetricsRegistry()
        )
        defer { store.close() }
        let database = try #require(store.database(try named("one")))
        #expect(database.currentSummary.position.txid.rawValue == before.txid.rawValue + 1)
    }
}
