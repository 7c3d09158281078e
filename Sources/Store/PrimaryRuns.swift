import POSIX

/// Which runs of this node were the primary's: whose transactions were made here, and whether the last run has left
/// commits that only SQLite's log has.
///
///     DATA/primary-runs      the node IDs, 16 hex digits and a newline each, oldest first
///     DATA/was-primary       there from before a primary serves until its content was recovered as a primary's
///
/// Invariant: a transaction that was made here has an ID of the list in its file's header, and the list was on disk before.
public enum PrimaryRuns {
    private static let kept = 1000

    private static func listPath(_ dataDirectory: String) -> String { dataDirectory + "/primary-runs" }
    private static func markPath(_ dataDirectory: String) -> String { dataDirectory + "/was-primary" }

    /// The node IDs of the runs.
    static func nodeIDs(in dataDirectory: String) -> [UInt64] {
        guard let bytes = try? Files.read(listPath(dataDirectory), limit: 1 << 20) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            .compactMap { UInt64($0, radix: 16) }
    }

    /// Notes that a run begins.
    ///
    /// One whose role cannot change is not listed: what it commits is never beside what others have. But the settings may be others at the next
    /// start.
    static func begin(_ nodeID: UInt64, in dataDirectory: String, isListed: Bool) throws(Errno) {
        if isListed {
            let nodeIDs = (nodeIDs(in: dataDirectory) + [nodeID]).suffix(kept)
            let text = nodeIDs.map { String($0, radix: 16) + "\n" }.joined()
            try Files.replace(listPath(dataDirectory), with: Array(text.utf8))
        }
        guard !hasLeftContent(in: dataDirectory) else { return }
        try FileDescriptor.open(markPath(dataDirectory), [.writeOnly, .create]).synchronize()
        try Files.synchronizeDirectory(dataDirectory)
    }

    /// Whether the last run that had the data was a primary's, and may have left commits without a record.
    public static func hasLeftContent(in dataDirectory: String) -> Bool {
        Files.exists(markPath(dataDirectory))
    }

    /// Notes that all that a primary left has its record.
    public static func recovered(in dataDirectory: String) throws(Errno) {
        try Files.unlink(markPath(dataDirectory), ifExists: true)
    }
}
