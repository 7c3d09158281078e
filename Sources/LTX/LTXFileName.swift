/// The name of an LTX file: `MIN-MAX.ltx`, the first and last transaction in it as sixteen hex digits each.
public struct LTXFileName: Hashable, Sendable, CustomStringConvertible {
    /// The first transaction in the file, 1 or higher.
    public let minTXID: TXID

    /// The last transaction in the file, not before the first.
    public let maxTXID: TXID

    /// Creates a name, or nothing if the range is empty or begins before transaction 1.
    public init?(minTXID: TXID, maxTXID: TXID) {
        guard minTXID > .zero, maxTXID >= minTXID else { return nil }
        self.minTXID = minTXID
        self.maxTXID = maxTXID
    }

    /// Reads exactly the form that `description` has; nothing for any other file's name.
    public init?(_ name: String) {
        guard name.utf8.count == 37, name.hasSuffix(".ltx") else { return nil }
        let parts = name.dropLast(4).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let minTXID = TXID(hex: parts[0]), let maxTXID = TXID(hex: parts[1]) else {
            return nil
        }
        self.init(minTXID: minTXID, maxTXID: maxTXID)
    }

    /// The name of the file.
    public var description: String {
        "\(minTXID)-\(maxTXID).ltx"
    }
}
