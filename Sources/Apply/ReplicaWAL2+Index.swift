import POSIX
import SQLiteFormat

extension ReplicaWAL2 {
    /// Writes a complete wal-index for a log, as SQLite's recovery would leave it.
    ///
    /// For a database that nobody uses.
    ///
    /// - Parameters:
    ///   - content: what the log holds.
    ///   - file: the `-shm` file; gets a new content and size, a multiple of 32 KiB.
    /// - Throws: `ApplyError` when the file cannot be written.
    static func writeIndex(
        for content: LogContent,
        to file: borrowing FileDescriptor
    ) throws(ApplyError) {
        // Two regions at least, and nothing of the checkpoint information, which is zeros.
        try IndexFile.write(
            WALFile.allCases.map { (.file($0), content[$0].frames) },
            WALIndexHeader(wal2: content, changeCounter: 1),
            to: file
        ) { _ in }
    }

    /// Makes the wal-index say what the log says.
    ///
    /// The caller holds WRITE.
    func adoptIndex() throws(ApplyError) {
        for log in WALFile.allCases {
            try shared.reserve(frames: UInt32(committed[log].count), in: .file(log))
        }
        try shared.reload()
        if let present = shared.index.readHeader() {
            if agrees(with: present), hasAllEntries {
                published = present
                return
            }
            published.changeCounter = present.changeCounter &+ 1
        } else if !committed.isEmpty, hasAllEntries {
            // A daemon died between the two copies. Readers wait for the holder of WRITE, and give up on that of RECOVER.
            published.changeCounter = shared.lastChangeCounter &+ 1
            if shared.index.backfilled > 1 { try shared.setBackfilled(0) }
            return try shared.publish(published)
        }
        try rebuild()
    }

    /// Checks at the start of a transaction that nobody else has changed the log.
    ///
    /// A reader that met a damaged index may have built it again from the files, which says the same, but for what the database file has,
    /// and where the log was to go on but nothing was committed yet. The daemon is the only writer: its own knowledge is right. The caller
    /// holds WRITE.
    func checkIndex() throws(ApplyError) {
        try shared.refresh()
        guard let present = shared.index.readHeader() else {
            published.changeCounter &+= 1
            return try rebuild()
        }
        guard agrees(with: present) else {
            published.changeCounter = present.changeCounter &+ 1
            stayInFile()
            return try rebuild()
        }
        if present != published || shared.isStale { try shared.reload() }
        published = present
    }

    /// Takes back that the log goes on in a file in which nothing was committed: readers may need again what that held before.
    private func stayInFile() {
        guard committed[file].isEmpty, !committed[file.other].isEmpty else { return }
        let old = file.other
        committed = LogFrames(newest: committed[old], file: old)
        published.file = old
        published[old.other] = 0
        if let header = headers[Int(old.rawValue)] {
            (published.salt1, published.salt2) = (header.salt1, header.salt2)
        }
        isOtherCopied = true
    }

    func agrees(with present: WALIndexHeader) -> Bool {
        guard present.version == .wal2 else { return false }
        if committed.isEmpty { return present.mxFrame == 0 && present.mxFrame2 == 0 }
        return present.file == published.file && present.mxFrame == published.mxFrame
            && present.mxFrame2 == published.mxFrame2 && present.frameChecksum == published.frameChecksum
            && present.salt1 == published.salt1 && present.salt2 == published.salt2
    }

    private var hasAllEntries: Bool {
        WALFile.allCases.allSatisfy {
            shared.matchingEntries(committed[$0], in: .file($0)) == UInt32(committed[$0].count)
        }
    }

    /// Builds the index again, beside readers that use it, as SQLite's recovery does.
    ///
    /// Nothing counts as copied afterwards: what is copied twice stays the same.
    private func rebuild() throws(ApplyError) {
        // Not RECOVER, on which readers give up (`IndexFile.rebuild`).
        try shared.file.lock(.checkpoint)
        defer { shared.file.unlock(.checkpoint) }
        for log in WALFile.allCases {
            try shared.reserve(frames: UInt32(committed[log].count), in: .file(log))
        }
        try shared.reload()
        for log in WALFile.allCases { try shared.rebuildEntries(committed[log], in: .file(log)) }
        try shared.setBackfilled(0)
        try shared.publish(published)
    }
}

extension WALIndexHeader {
    /// The header that SQLite's recovery publishes for a log of wal2.
    init(wal2 content: LogContent, changeCounter: UInt32) {
        let hasFrames = content.frameCount > 0
        self.init(
            changeCounter: changeCounter,
            bigEndianChecksums: content.header?.bigEndianChecksums ?? false,
            pageSize: hasFrames ? content.header?.pageSize : nil,
            mxFrame: UInt32(content[.wal].frames.count),
            pageCount: content.pageCount,
            frameChecksum: hasFrames ? content.newest.chain?.checksum ?? WALChecksum() : WALChecksum(),
            salt1: content.header?.salt1 ?? 0,
            salt2: content.header?.salt2 ?? 0,
            version: .wal2,
            file: content.file,
            mxFrame2: UInt32(content[.wal2].frames.count)
        )
    }
}
