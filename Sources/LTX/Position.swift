/// How far a database is: its last transaction, and the checksum of the database after it.
///
/// Two nodes with the same position have the same database. The text is `TXID/CHECKSUM`, 33 characters.
public struct Position: Hashable, Sendable, CustomStringConvertible {
    /// The last transaction.
    public var txid: TXID

    /// The checksum of the database after that transaction.
    public var postApply: Checksum

    /// The position of a database that a node does not have: neither transaction nor checksum.
    public static let zero = Position(txid: .zero, postApply: .zero)

    /// Creates a position from its parts.
    public init(txid: TXID, postApply: Checksum) {
        self.txid = txid
        self.postApply = postApply
    }

    /// Reads exactly `TXID/CHECKSUM`, in lower-case hex and without white space.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let txid = TXID(hex: parts[0]), let checksum = Checksum(hex: parts[1]) else {
            return nil
        }
        self.init(txid: txid, postApply: checksum)
    }

    /// The text `TXID/CHECKSUM`.
    public var description: String {
        "\(txid)/\(postApply)"
    }
}
