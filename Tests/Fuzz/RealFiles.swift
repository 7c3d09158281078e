import CSQLite
import POSIX

/// Files that SQLite and LiteFS wrote, to begin with.
enum RealFiles {
    /// The folder `Tests`.
    private static var tests: String { #filePath.split(separator: "/").dropLast(2).map { "/\($0)" }.joined() }

    /// Inputs that once showed a defect, below `Tests/Fuzz/Corpus`.
    static func corpus(of target: String) -> [[UInt8]] {
        let folder = tests + "/Fuzz/Corpus/" + target
        guard let names = try? Files.list(folder).map(\.name) else { return [] }
        return names.sorted().compactMap { try? Files.read(folder + "/" + $0, limit: 1 << 20) }
    }

    /// What LiteFS 0.5.14 wrote.
    static func recorded(_ path: String) throws -> [UInt8] {
        try Files.read(tests + "/Fixtures/litefs-0.5.14/" + path, limit: 1 << 24)
    }

    /// Recorded LTX files that are not too long.
    static func transactions(limit: Int) throws -> [[UInt8]] {
        var files: [[UInt8]] = []
        for name in ["d.db", "k1.db", "w.db"] {
            for txid in 1...4 {
                let file = "ltx/\(name)/000000000000000\(txid)-000000000000000\(txid).ltx"
                if let bytes = try? recorded(file), bytes.count <= limit { files.append(bytes) }
            }
        }
        return files
    }

    /// The files of a small database, in the middle of being used.
    struct Database {
        var file: [UInt8]
        var log: [UInt8]
        var index: [UInt8]
        var journal: [UInt8]
    }

    /// A database with pages of 512 bytes, in a journal mode, with a transaction open in rollback mode.
    static func database(mode: String) throws -> Database {
        let folder = "/tmp/litefs-fuzz-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectories(folder)
        defer { try? Files.removeTree(folder) }
        let path = folder + "/db"
        var handle: OpaquePointer?
        defer { sqlite3_close_v2(handle) }
        let statements = [
            "PRAGMA page_size = 512", "PRAGMA journal_mode = \(mode)", "PRAGMA cache_size = 1",
            "CREATE TABLE t(x)",
            "INSERT INTO t VALUES ('a')", "INSERT INTO t VALUES (zeroblob(600))", "BEGIN",
            "UPDATE t SET x = 'b'",
            mode == "wal" ? "COMMIT" : "INSERT INTO t VALUES (zeroblob(4000))",
        ]
        guard sqlite3_open(path, &handle) == SQLITE_OK else { throw Broken("SQLite does not open \(path)") }
        for statement in statements where sqlite3_exec(handle, statement, nil, nil, nil) != SQLITE_OK {
            throw Broken("SQLite refuses: \(statement)")
        }
        func content(_ suffix: String) -> [UInt8] { (try? Files.read(path + suffix, limit: 1 << 20)) ?? [] }
        return Database(
            file: content(""),
            log: content("-wal"),
            index: content("-shm"),
            journal: content("-journal")
        )
    }
}

extension FuzzTarget {
    /// Inputs that once showed a defect.
    public var corpus: [[UInt8]] { RealFiles.corpus(of: name) }
}
