import SQLiteFormat

// What programs do that have errors, or die, or mean harm.
extension WAL2Connection {
    /// Commits one page whose frame keeps zeros for salts and checksum, as SQLite does behind a savepoint that was rolled back.
    public func commitUnsealed(_ page: UInt32, _ data: [UInt8], size: UInt32) throws {
        if writing == nil { try startLog() }
        writing?.rewrittenFrom = 0
        try write(page, data, commitSize: size)
        try publish(size: size, checksum: WALChecksum(first: 77, second: 99))
    }

    /// Publishes a header with one frame less.
    public func publishFewer() {
        guard var header = shared.index.readHeader() else { return }
        header.mxFrame -= 1
        shared.index.writeHeader(header)
    }
}
