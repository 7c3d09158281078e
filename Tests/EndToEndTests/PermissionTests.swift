import Glibc
import Harness
import POSIX
import Testing

/// Owners and permission bits on a primary that other users may use.
@Suite(.serialized, .logsOnFailure)
struct PermissionTests {
    @Test
    func `Whoever makes a database, everybody may write it until somebody says otherwise`() async throws {
        try await withSharedCluster { primary, replica in
            try primary.sqlite3("shared.db", "PRAGMA journal_mode=wal; CREATE TABLE t(a);")
            #expect(try asUser(primary, "sqlite3", "shared.db", "INSERT INTO t VALUES(1)") == "")
            #expect(try asUser(primary, "sqlite3", "own.db", "CREATE TABLE t(a)") == "")
            try primary.sqlite3("own.db", "INSERT INTO t VALUES('root');")
            #expect(try Files.status(primary.path("own.db")).mode & 0o777 == 0o666)
            #expect(try Files.status(primary.path("own.db")).raw.st_uid == user)
            try expectConverged("shared.db", primary, replica)
            try expectConverged("own.db", primary, replica)
        }
    }

    @Test
    func `Permission bits that were chosen are kept, also by a restart, and SQLite obeys them`() async throws
    {
        try await withSharedCluster { primary, replica in
            _ = try asUser(primary, "sqlite3", "mine.db", "PRAGMA journal_mode=wal; CREATE TABLE t(a)")
            _ = try asUser(primary, "chmod", "mine.db", mode: "0444")
            for _ in 1...2 {
                let refusal = try asUser(primary, "sqlite3", "mine.db", "INSERT INTO t VALUES(1)")
                #expect(refusal.contains("attempt to write a readonly database"), "\(refusal)")
                #expect(try Files.status(primary.path("mine.db")).mode & 0o777 == 0o444)
                try primary.stop()
                try primary.start()
            }
            #expect(try asUser(primary, "chmod", "mine.db", mode: "0600") == "")
            let files =
                "PRAGMA journal_mode=wal; INSERT INTO t VALUES(1);\n.system stat -c %a \(primary.path("mine.db-wal"))"
            #expect(try asUser(primary, "sqlite3", "mine.db", files).hasSuffix("600\n"))
            try expectConverged("mine.db", primary, replica)
        }
    }

    @Test
    func `Only its owner changes the bits of a file`() async throws {
        try await withSharedCluster { primary, _ in
            try primary.sqlite3("root.db", "CREATE TABLE t(a);")
            #expect(try asUser(primary, "chmod", "root.db", mode: "0600").contains("not permitted"))
            #expect(try Files.status(primary.path("root.db")).mode & 0o777 == 0o666)
        }
    }

    private var user: UInt32 { 65534 }

    private func withSharedCluster(_ body: (DaemonProcess, DaemonProcess) throws -> Void) async throws {
        let configure = { (settings: inout NodeSettings) in settings.sections["fuse"] = ["allow-other: true"]
        }
        try await withCluster(configure: configure) { cluster in
            // The folder of a test is its owner's alone.
            try #require(chmod(cluster.folder.path, 0o755) == 0)
            try body(cluster.primary, try cluster.replica)
        }
    }

    /// Runs `sqlite3 NAME SQL` or `chmod MODE NAME` as an ordinary user; gives all that it says.
    private func asUser(
        _ node: DaemonProcess,
        _ program: String,
        _ name: String,
        _ sql: String = "",
        mode: String? = nil
    ) throws -> String {
        let words = mode.map { [$0, node.path(name)] } ?? ["-batch", node.path(name)]
        let identity = ["setpriv", "--reuid=\(user)", "--regid=\(user)", "--clear-groups"]
        let outcome = try Outcome.of(
            identity + [program] + words,
            input: sql + "\n",
            in: node.settings.folder
        )
        return outcome.errors + outcome.output.replacing("wal\n", with: "")
    }
}
