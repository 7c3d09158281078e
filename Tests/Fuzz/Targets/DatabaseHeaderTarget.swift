import SQLiteFormat

extension FuzzTarget {
    static let databaseHeader = FuzzTarget(
        "database-header",
        summary: "the first 100 bytes of a database, and the size of one",
        maximumByteCount: 128,
        seeds: {
            [
                Array(try RealFiles.database(mode: "wal").file.prefix(120)),
                Array(try RealFiles.recorded("export_w.db").prefix(120)),
            ]
        },
        check: { bytes in
            guard let header = try? DatabaseHeader(bytes) else { return }
            try require(DatabaseHeader.isDatabase(prefix: bytes), "a header of no database")
            var input = FuzzInput(UnsafeRawBufferPointer(rebasing: bytes.dropFirst(100)))
            let size = input.extreme()
            let pages = header.committedPageCount(fileSize: size)
            // The last page may be cut short.
            let start = (Int64(pages) - 1) * Int64(header.pageSize.rawValue)
            try require(start < max(0, size), "more pages than the file has")
            try require(header.journalMode != nil || header.readVersion > 3, "a mode that is not known")
        }
    )
}
