import Faults
import LTX
import Logging
import POSIX

// A former primary has transactions that the new one never got (L6).
extension Database {
    /// Where they are set aside.
    var divergedDirectory: String { directory + "/diverged" }

    /// The newest positions that the log has, newest first, to ask a primary which of them it knows.
    public func recentPositions(_ count: Int) -> [Position] {
        log.files.suffix(count).reversed()
            .compactMap { file in
                guard let postApply = file.postApply ?? TransactionLog.postApply(of: log.path(of: file.name))
                else { return nil }
                return Position(txid: file.name.maxTXID, postApply: postApply)
            }
    }

    /// Notes the newest of them that the primary knows; nil when it knows none.
    public func noteCommon(_ position: Position?) { locked { replica.common = position } }

    /// Sets aside the files of the log with transactions that were committed here, when this node was the primary, and that the primary does
    /// not have.
    ///
    /// Invariant: none of them is removed before it has its name in the other folder, on disk.
    ///
    /// - Parameter kept: the file that replaces all others.
    /// - Throws: when they cannot be set aside; then nothing is to be removed.
    func setDivergedAside(except kept: LTXFileName) throws(Errno) {
        guard !context.madeHere.isEmpty else { return }
        let common = locked { replica.common?.txid ?? .zero }
        let diverged = log.files.filter { file in
            file.name != kept && file.name.maxTXID > common
                && header(of: file).map { context.madeHere.contains($0.nodeID) } ?? false
        }
        guard let first = diverged.first, let last = diverged.last else { return }
        try Files.makeDirectories(divergedDirectory, synchronize: true)
        for file in diverged {
            let path = divergedDirectory + "/\(file.name)"
            try Files.unlink(path, ifExists: true)
            try Files.link(log.path(of: file.name), path)
        }
        try Files.synchronizeDirectory(divergedDirectory)
        let count = last.name.maxTXID.rawValue - first.name.minTXID.rawValue + 1
        counters.diverged.increment(by: count)
        context.logger.error(
            "database \"\(name)\": \(count) transactions (\(first.name.minTXID) to \(last.name.maxTXID)) were committed here when this node was the "
                + "primary, and the present primary does not have them: their files are set aside in \(divergedDirectory)"
        )
    }

    private func header(of file: LTXFile) -> LTXHeader? {
        guard let descriptor = try? FileDescriptor.open(log.path(of: file.name), .readOnly) else {
            return nil
        }
        let buffer = Buffer(count: LTXHeader.byteCount)
        guard (try? descriptor.read(into: buffer.bytes, at: 0)) == LTXHeader.byteCount else { return nil }
        return try? LTXHeader(decoding: UnsafeRawBufferPointer(buffer.bytes))
    }
}

extension TransactionLog {
    /// Whether this was a position of the database, as far as the log goes back.
    public func knows(_ position: Position) -> Bool {
        if let next = file(after: position.txid) {
            let preApply = next.preApply ?? Self.preApply(of: path(of: next.name))
            if next.name.minTXID.rawValue == position.txid.rawValue + 1, preApply == position.postApply {
                return true
            }
        }
        guard let last = files.last(where: { $0.name.maxTXID == position.txid }) else { return false }
        return (last.postApply ?? Self.postApply(of: path(of: last.name))) == position.postApply
    }

    private static func preApply(of path: String) -> Checksum? {
        guard let descriptor = try? FileDescriptor.open(path, .readOnly) else { return nil }
        let buffer = Buffer(count: LTXHeader.byteCount)
        guard (try? descriptor.read(into: buffer.bytes, at: 0)) == LTXHeader.byteCount else { return nil }
        return try? LTXHeader(decoding: UnsafeRawBufferPointer(buffer.bytes)).preApply
    }
}
