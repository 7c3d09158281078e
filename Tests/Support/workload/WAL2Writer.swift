import WAL2

/// Commits in wal2 mode, one transaction after the other.
struct WAL2Writer {
    let connection: WAL2Connection
    let shadow: WAL2Shadow

    /// Opens a database in wal2 mode.
    ///
    /// - Parameters:
    ///   - path: the database.
    ///   - shadow: an ordinary database with the same content.
    ///   - switchAt: frames from which on the log goes on in the other file.
    /// - Throws: `Errno` or `WAL2Error`.
    init(path: String, shadow: String, switchAt: UInt32) throws {
        connection = try WAL2Connection(path)
        connection.switchAt = switchAt
        self.shadow = try WAL2Shadow(shadow)
    }

    /// Commits, and prints each acknowledged number.
    func run(_ count: Int) throws {
        for number in 1...max(count, 1) {
            let sql =
                number % 8 == 0
                ? "DELETE FROM t WHERE id % 7 = \(number % 7)"
                : "INSERT INTO t(v) VALUES(randomblob(\(number * 977 % 20_000)))"
            try shadow.commit(sql, to: connection, spills: number % 3 == 0)
            say("\(number)")
            if number % 11 == 0 { try connection.checkpoint() }
        }
    }
}
