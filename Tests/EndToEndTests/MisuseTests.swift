import Harness
import POSIX
import Testing

/// Programs that do with a database what does not go together with its replication.
@Suite(.serialized, .cluster(), .logsOnFailure)
struct MisuseTests {
    private static let zeroTables = """
        CREATE TABLE "_zero.replicationState"(stateVersion TEXT NOT NULL, writeTimeMs INTEGER, lock INTEGER PRIMARY KEY DEFAULT 1);
        CREATE TABLE "_zero.changeLog2"(stateVersion TEXT NOT NULL, pos INT NOT NULL, "table" TEXT, rowKey TEXT, op TEXT NOT NULL,
            PRIMARY KEY(stateVersion, pos), UNIQUE("table", rowKey));
        INSERT INTO "_zero.replicationState"(stateVersion) VALUES('00');
        CREATE TABLE item(id INTEGER PRIMARY KEY, n);
        """

    private func lines(_ node: DaemonProcess, _ text: String) -> Int {
        node.log.split(separator: "\n").count { $0.contains(text) }
    }

    @Test
    func `A replica file of zero-cache in backup mode is named once, one in serving mode is not`() throws {
        let primary = try Cluster.current().primary
        let databases = try ["backup.db", "serving.db"].map { (name: $0, connection: try primary.open($0)) }
        for (_, connection) in databases { try connection.run("PRAGMA journal_mode=wal; " + Self.zeroTables) }
        var version = 0
        func advance() throws {
            version += 1
            let change =
                "UPDATE \"_zero.replicationState\" SET stateVersion='\(100 + version)'; INSERT INTO item(n) VALUES(\(version));"
            try databases[0].connection.run("BEGIN IMMEDIATE; " + change + "COMMIT")
            try databases[1].connection
                .run(
                    "BEGIN IMMEDIATE; " + change
                        + "INSERT OR REPLACE INTO \"_zero.changeLog2\" VALUES('\(100 + version)', 0, 'item', '\(version % 5)', 's'); COMMIT"
                )
        }
        try eventually("the line", within: .seconds(30)) {
            try advance()
            return lines(primary, "backup mode") > 0
        }
        let end = MonotonicTime.now + .seconds(5)
        while .now < end {
            try advance()
            pause(.milliseconds(50))
        }
        #expect(lines(primary, "backup mode") == 1)
        #expect(lines(primary, "database \\\"backup.db\\\": zero-cache maintains it in backup mode") == 1)
        for (_, connection) in databases { connection.close() }
    }

    @Test
    func `litestream on a database is named once`() throws {
        let primary = try Cluster.current().primary
        try primary.sqlite3(
            "tables.db",
            "CREATE TABLE t(a); CREATE TABLE _litestream_seq(id INTEGER PRIMARY KEY, seq INTEGER);"
        )
        try primary.sqlite3("folder.db", "CREATE TABLE t(a);")
        try Files.makeDirectory(primary.path(".folder.db-litestream"))
        try primary.sqlite3("neither.db", "CREATE TABLE t(a); INSERT INTO t VALUES('_litestream_seq');")
        for name in ["tables.db", "folder.db"] {
            try eventually("a line on \(name)") { lines(primary, "\(name)\\\": litestream works on it") == 1 }
        }
        try primary.sqlite3("tables.db", "INSERT INTO t VALUES(1);")
        pause(.seconds(3))
        #expect(lines(primary, "litestream works on it") == 2)
    }

    @Test
    func `Temporary files of SQLite on the mount are named once`() async throws {
        try await withCluster(replicas: 0) { cluster in
            let primary = cluster.primary
            let sorted = "SELECT count(*) FROM (SELECT b FROM t ORDER BY b LIMIT 100000 OFFSET 1);"
            try primary.sqlite3(
                "sorted.db",
                "CREATE TABLE t(b);" + """
                    WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i < 20000)
                    INSERT INTO t SELECT randomblob(500) FROM n;
                    """
            )
            #expect(lines(primary, "temporary files on the mount") == 0)
            for _ in 1...2 {
                try cluster.run([
                    "env", "SQLITE_TMPDIR=\(primary.mount)", "sqlite3", primary.path("sorted.db"),
                    "PRAGMA cache_size=10; PRAGMA temp_store=1; " + sorted,
                ])
            }
            #expect(lines(primary, "temporary files on the mount") == 1)
        }
    }
}
