import LTX

/// What a primary sends next to a client that is at some position of one database.
public enum StreamPlan: Equatable, Sendable {
    /// Nothing: the client has everything.
    case upToDate
    /// The file that continues from the client's position.
    case send
    /// The whole database.
    case snapshot(SnapshotReason)

    /// What is known of the log's file that continues from the client's position.
    public struct NextFile: Equatable, Sendable {
        /// First and last transaction in it.
        public var name: LTXFileName
        /// Checksum of the database that it applies to; `.zero` when it holds the whole database.
        public var preApply: Checksum

        /// A file with its name and checksum.
        public init(name: LTXFileName, preApply: Checksum) {
            self.name = name
            self.preApply = preApply
        }
    }

    /// Decides.
    ///
    /// - Parameters:
    ///   - client: Where the client is; nil or zero when it does not have the database.
    ///   - primary: The last transaction that is in the log.
    ///   - next: The file of the log that begins right after the client's last transaction or, where no such file exists,
    ///     covers the one after it; nil when the log does not reach back so far.
    ///   - acceptsOverlap: Whether the client takes files that begin with transactions it already has. The result is the
    ///     same, because a file holds the newest version of each page, but a client of LiteFS 0.5 insists on the checksum
    ///     before.
    /// - Returns: What to send.
    public static func decide(
        client: Position?,
        primary: Position,
        next: NextFile?,
        acceptsOverlap: Bool
    ) -> StreamPlan {
        let client = client ?? .zero
        // A database without any transaction cannot be sent in any form.
        guard primary.txid > .zero else { return .upToDate }
        if client.txid > primary.txid {
            return .snapshot(.clientAhead(client: client.txid, primary: primary.txid))
        }
        if client.txid == primary.txid {
            guard client.postApply == primary.postApply else {
                return .snapshot(.diverged(client.txid, client: client.postApply, primary: primary.postApply))
            }
            return .upToDate
        }
        // No overflow: it is below the primary's.
        let wanted = TXID(client.txid.rawValue + 1)
        guard client.txid > .zero else { return .snapshot(.noPosition) }
        guard let next, next.name.minTXID <= wanted, wanted <= next.name.maxTXID else {
            return .snapshot(.fileGone(wanted))
        }
        // It replaces whatever the client has.
        if next.name.minTXID == TXID(1) { return .send }
        if next.name.minTXID == wanted {
            return next.preApply == client.postApply ? .send : .snapshot(.preApplyMismatch(wanted))
        }
        return acceptsOverlap ? .send : .snapshot(.overlapNotAccepted(wanted))
    }
}

/// Why a client gets the whole database.
public enum SnapshotReason: Equatable, Sendable {
    /// The client does not have the database.
    case noPosition
    /// The client has transactions that the primary does not have.
    case clientAhead(client: TXID, primary: TXID)
    /// Client and primary are at the same transaction, but their databases differ.
    case diverged(TXID, client: Checksum, primary: Checksum)
    /// The log does not reach back to this transaction.
    case fileGone(TXID)
    /// The file that begins with this transaction does not apply to the client's database.
    case preApplyMismatch(TXID)
    /// The file with this transaction begins earlier, and the client accepts no such file.
    case overlapNotAccepted(TXID)

    /// What operators look for in the log, one line each.
    public var logLines: [String] {
        let start = "starting from txid \(TXID(1)), writing snapshot"
        return switch self {
        case .noPosition: [start]
        case .clientAhead(let client, let primary):
            [
                "client transaction id (\(client)) exceeds primary transaction id (\(primary)), clearing client position",
                start,
            ]
        case .diverged(let txid, let client, let primary):
            [
                "client transaction id (\(txid)) caught up but checksum is mismatched (\(client) <> \(primary)), "
                    + "clearing client position",
                start,
            ]
        case .fileGone(let txid): ["transaction file for txid \(txid) no longer available, writing snapshot"]
        case .preApplyMismatch(let txid):
            ["client preapply checksum mismatch for txid \(txid), writing snapshot"]
        case .overlapNotAccepted(let txid):
            ["transaction file for txid \(txid) begins before the client's position, writing snapshot"]
        }
    }
}
