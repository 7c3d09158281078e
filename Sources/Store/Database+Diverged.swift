import LTX
import Logging
import POSIX

// A former primary has transactions that the new one never got (L6).
extension Database {
    /// Where they are set aside.
    var divergedDirectory: String { directory + "/diverged" }

    /// The newest positions that the log has, newest first, to ask a primary which of them it knows.
    public func recentPositions(_ count: Int) -> [Position] {
        log.files.suffix(count).reversed().compactMap { log.position(after: $0) }
    }

    /// Notes the newest of them that the primary knows; nil when it knows none.
    public func noteCommon(_ position: Position?) { locked { replica.common = position } }

    /// Sets aside the files of the log with transactions that were committed here, when this node was the primary, and that the primary does
    /// not have.
    ///
    /// Before the primary's content gets its name in the log, which one of them may have.
    ///
    /// Invariant: none of them is removed before it has its name in the other folder, on disk; nothing in there is ever replaced.
    ///
    /// - Throws: when they cannot be set aside; then nothing is to be removed.
    func setDivergedAside() throws(Errno) {
        guard !context.madeHere.isEmpty else { return }
        let common = locked { replica.common?.txid ?? .zero }
        let diverged = log.files.filter { file in
            file.name.maxTXID > common
                && TransactionLog.header(of: log.path(of: file.name))
                    .map { context.madeHere.contains($0.nodeID) } ?? false
        }
        guard let first = diverged.first, let last = diverged.last else { return }
        try setAside(diverged)
        let count = last.name.maxTXID.rawValue - first.name.minTXID.rawValue + 1
        counters.diverged.increment(by: count)
        context.logger.error(
            "database \"\(name)\": \(count) transactions (\(first.name.minTXID) to \(last.name.maxTXID)) were committed here when this node was the "
                + "primary, and the present primary does not have them: their files are set aside in \(divergedDirectory)"
        )
    }

    /// Gives files a name in the folder, on disk.
    func setAside(_ files: [LTXFile]) throws(Errno) {
        if files.isEmpty { return }
        try Files.makeDirectories(divergedDirectory, synchronize: true)
        for file in files { try link(file) }
        try Files.synchronizeDirectory(divergedDirectory)
    }

    /// Gives a file its own name there, or, when this node lost another transaction of that number before, with a number behind.
    private func link(_ file: LTXFile) throws(Errno) {
        let source = log.path(of: file.name)
        let own = try Files.status(source)
        var (path, number) = (divergedDirectory + "/\(file.name)", 1)
        while let other = try? Files.status(path) {
            // It is there from an attempt that a crash ended.
            if (other.device, other.inode) == (own.device, own.inode) { return }
            number += 1
            path = divergedDirectory + "/\(file.name).\(number)"
        }
        try Files.link(source, path)
    }
}

extension Database {
    /// Whether the database has been at a position from which it is further now, as far as its transaction files can tell.
    public func hasBeen(at position: Position) -> Bool {
        log.hasBeen(at: position, madeHere: context.madeHere)
    }

    /// Why commits that it holds have no record; nil when all have one.
    public var unrecordedReason: String? {
        locked {
            if let failure = logFailure ?? unrecorded { return "\(failure)" }
            return queue.isEmpty ? nil : "\(queue.count) commits are not stored"
        }
    }

    /// Whether it is not known what it holds, on a replica.
    public var isDoubtful: Bool {
        shown.withLock { $0.isDoubtful }
    }
}

extension TransactionLog {
    /// Whether this was a position of the database, as far as the log goes back.
    public func knows(_ position: Position) -> Bool { checksum(after: position.txid) == position.postApply }

    /// Whether the database has been at a position from which it is further now, as far as can be told.
    ///
    /// A file that goes on beyond the position hides what was there, and so does a log that begins behind it, as after a difference. A file that came
    /// from a primary has everything that was then: that is trusted. One that was made here may be what the present history lacks.
    func hasBeen(at position: Position, madeHere: Set<UInt64>) -> Bool {
        if let checksum = checksum(after: position.txid) { return checksum == position.postApply }
        guard let next = files.first(where: { $0.name.maxTXID > position.txid }),
            let header = Self.header(of: path(of: next.name))
        else { return false }
        return !madeHere.contains(header.nodeID)
    }

    /// The checksum of the database after a transaction; nil when no file ends or begins there.
    private func checksum(after txid: TXID) -> Checksum? {
        if let last = files.last(where: { $0.name.maxTXID == txid }) {
            return position(after: last)?.postApply
        }
        guard let next = file(after: txid), next.name.minTXID.rawValue == txid.rawValue + 1 else {
            return nil
        }
        return next.preApply ?? Self.header(of: path(of: next.name))?.preApply
    }

    /// The header of a file; nil when it has none that can be read.
    static func header(of path: String) -> LTXHeader? {
        guard let descriptor = try? FileDescriptor.open(path, .readOnly) else { return nil }
        let buffer = Buffer(count: LTXHeader.byteCount)
        guard (try? descriptor.read(into: buffer.bytes, at: 0)) == LTXHeader.byteCount else { return nil }
        return try? LTXHeader(decoding: UnsafeRawBufferPointer(buffer.bytes))
    }
}
