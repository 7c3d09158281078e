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
                && header(of: file).map { context.madeHere.contains($0.nodeID) } ?? false
        }
        guard let first = diverged.first, let last = diverged.last else { return }
        try Files.makeDirectories(divergedDirectory, synchronize: true)
        for file in diverged { try setAside(file) }
        try Files.synchronizeDirectory(divergedDirectory)
        let count = last.name.maxTXID.rawValue - first.name.minTXID.rawValue + 1
        counters.diverged.increment(by: count)
        context.logger.error(
            "database \"\(name)\": \(count) transactions (\(first.name.minTXID) to \(last.name.maxTXID)) were committed here when this node was the "
                + "primary, and the present primary does not have them: their files are set aside in \(divergedDirectory)"
        )
    }

    /// Gives a file a name in the folder: its own one, or, when this node lost another transaction of that number before, with a number behind.
    private func setAside(_ file: LTXFile) throws(Errno) {
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
