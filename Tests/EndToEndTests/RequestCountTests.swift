import Harness
import POSIX
import Testing

/// What a program's operations cost in requests of the kernel to the daemon: pinned, so that no change makes it more in silence.
@Suite(.serialized, .logsOnFailure)
struct RequestCountTests {
    /// Requests of each kind that `body` causes on the primary's mount.
    private func requests(_ primary: DaemonProcess, _ body: () throws -> Void) throws -> [String: Int] {
        // What is answered late belongs to what was before.
        pause(.milliseconds(50))
        let before = try counts(primary)
        try body()
        pause(.milliseconds(50))
        return try counts(primary).merging(before) { $0 - $1 }.filter { $0.value != 0 }
    }

    private func counts(_ primary: DaemonProcess) throws -> [String: Int] {
        let text = String(decoding: try primary.get("/metrics").body, as: UTF8.self)
        var counts: [String: Int] = [:]
        for line in text.split(separator: "\n") where line.hasPrefix("litefs_fuse_requests_total{op=\"") {
            let parts = line.split(separator: "\"")
            counts[String(parts[1])] = line.split(separator: " ").last.flatMap { Int($0) }
        }
        try check(!counts.isEmpty, "requests are counted")
        return counts
    }

    private func withPrimary(_ passthrough: String, _ body: (DaemonProcess) throws -> Void) async throws {
        let set: (inout NodeSettings) -> Void = { if $0.isPrimary { $0.passthrough = passthrough } }
        try await withCluster(replicas: 0, configure: set) { try body($0.primary) }
    }

    /// Counts the requests of a hundred statements on a connection that has run others.
    private func withConnection(
        _ passthrough: String,
        _ preparation: String,
        _ body: (SQLiteConnection, _ requests: (() throws -> Void) throws -> [String: Int]) throws -> Void
    ) async throws {
        try await withPrimary(passthrough) { primary in
            let connection = try primary.open("a.db")
            try connection.run(preparation)
            try body(connection) { try requests(primary, $0) }
            connection.close()
        }
    }

    // SQLite writes header and page of a frame; the kernel cuts the page in two, because in the file it crosses one.
    @Test(arguments: [("on", 0), ("off", 3)])
    func `A commit of one row in WAL mode`(passthrough: String, writes: Int) async throws {
        let preparation =
            "PRAGMA journal_mode=wal; PRAGMA synchronous=normal; CREATE TABLE t(a); PRAGMA wal_autocheckpoint=0; "
            + "INSERT INTO t VALUES(0); SELECT * FROM t"
        try await withConnection(passthrough, preparation) { connection, requests in
            let inserts = { for number in 1...100 { try connection.run("INSERT INTO t VALUES(\(number))") } }
            try expect(try requests(inserts), writes: writes)
            try connection.run("PRAGMA synchronous=full; INSERT INTO t VALUES(0)")
            let synced = try requests(inserts)
            #expect(synced["fsync"] == 100)
            try expect(synced.filter { $0.key != "fsync" }, writes: writes)
        }
    }

    /// A commit in a hundred splits a page, and writes more than one.
    private func expect(_ counted: [String: Int], writes: Int) throws {
        let range = 100 * writes...(writes == 0 ? 0 : 100 * writes + 15)
        #expect(range.contains(counted["write", default: 0]), "\(counted)")
        #expect(counted.filter { $0.key != "write" }.isEmpty, "\(counted)")
    }

    @Test(arguments: ["on", "off"], ["wal", "delete"])
    func `A SELECT whose pages are cached`(passthrough: String, mode: String) async throws {
        let preparation =
            "PRAGMA journal_mode=\(mode); CREATE TABLE t(a INTEGER PRIMARY KEY, b); "
            + "INSERT INTO t SELECT value, randomblob(900) FROM json_each('[1,2,3,4,5,6,7,8,9]')"
        try await withConnection(passthrough, preparation) { connection, requests in
            #expect(try connection.value("SELECT sum(length(b)) FROM t") == "8100")
            let counted = try requests {
                for number in 1...100 {
                    _ = try connection.value("SELECT length(b) FROM t WHERE a = \(1 + number % 9)")
                }
            }
            #expect(counted.isEmpty, "\(counted)")
        }
    }

    @Test
    func `A commit of one row with a rollback journal`() async throws {
        let preparation =
            "PRAGMA journal_mode=delete; PRAGMA synchronous=full; CREATE TABLE t(a); INSERT INTO t VALUES(0)"
        try await withConnection("auto", preparation) { connection, requests in
            let counted = try requests {
                for number in 1...100 { try connection.run("INSERT INTO t VALUES(\(number))") }
            }
            // SQLite 3.40 makes, besides asking for attributes: open, fchown, 10 writes, 3 syncs, close and unlink of files, open, sync
            // and close of the folder. The kernel cuts a write that crosses a page in two, as both pages in the journal do, and
            // asks for attributes again after each write; SQLite does so five times.
            let most = [
                "create": 1, "setattr": 1, "write": 12, "fsync": 3, "release": 1, "unlink": 1, "opendir": 1,
                "fsyncdir": 1,
                "releasedir": 1, "getattr": 5, "lookup": 1,
            ]
            for (operation, count) in counted where !["forget", "batch_forget"].contains(operation) {
                #expect(count <= 100 * most[operation, default: 0], "\(operation): \(counted)")
            }
        }
    }

    @Test
    func `Pages that nobody has cached come in long reads`() async throws {
        try await withPrimary("auto") { primary in
            let connection = try primary.open("a.db")
            try connection.run("PRAGMA journal_mode=wal; CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
            try connection.run(
                "INSERT INTO t SELECT NULL, zeroblob(3000) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                    + "WHERE i < 8000) SELECT i FROM n); PRAGMA wal_checkpoint(TRUNCATE)"
            )
            connection.close()
            let size = try Files.status(primary.path("a.db")).size
            try primary.stop()
            try primary.start()
            let counted = try requests(primary) {
                let count = try primary.sqlite3("a.db", "SELECT count(b) FROM t;")
                #expect(count == "8000")
            }
            let reads = counted["read", default: 0]
            #expect(
                reads > 0 && Int64(reads) * (128 << 10) <= size + (1 << 20),
                "\(reads) reads of \(size) bytes"
            )
        }
    }
}
