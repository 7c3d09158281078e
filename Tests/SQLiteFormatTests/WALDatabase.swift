import SQLiteFormat

/// A database in WAL mode with a table `t(b)`, open in one connection that never checkpoints by itself.
final class WALDatabase {
    let folder: TemporaryFolder
    let connection: Connection

    init(pageSize: Int) throws {
        folder = try TemporaryFolder()
        connection = try Connection(folder.file("d"))
        try connection.run(
            "PRAGMA page_size=\(pageSize); PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0"
        )
        try connection.run("PRAGMA synchronous=OFF; CREATE TABLE t(b)")
    }

    func pageCount() throws -> UInt32? {
        try connection.run("PRAGMA page_count").first.flatMap { UInt32($0) }
    }
}

/// The bytes of the next frame of a log.
func frame(_ chain: inout WALChain, page: PageNumber, commitSize: UInt32, data: [UInt8]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: WALFrameHeader.size)
    bytes.withUnsafeMutableBytes { header in
        data.withUnsafeBytes { chain.seal(page: page, commitSize: commitSize, data: $0, into: header) }
    }
    return bytes + data
}
