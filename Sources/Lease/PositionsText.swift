import HTTP
import LTX

/// The positions of a record as one text: `NAME=TXID/CHECKSUM`, joined by commas and sorted by name.
///
/// A name may have any character in it; what is not unreserved in URLs (RFC 3986) is percent-encoded, so `=` and `,` occur in no name.
enum PositionsText {
    /// The longest text, in bytes.
    ///
    /// Kubernetes allows 256 KiB for all annotations of an object together, those of others included.
    static let limit = 200 << 10

    /// The text of positions.
    ///
    /// When all of them do not fit in `limit` bytes, those with the lowest TXIDs are left out: some thousand databases fit, and the ones with
    /// the most transactions are the ones most likely to have a new one that a candidate lacks. For a database that is left out nobody
    /// can tell whether a candidate is behind.
    static func text(_ positions: [String: Position]) -> String {
        var entries = positions.map { (entry: entry($0.key, $0.value), txid: $0.value.txid) }
        var size = entries.reduce(0) { $0 + $1.entry.utf8.count + 1 }
        if size > limit {
            entries.sort { ($1.txid, $0.entry) < ($0.txid, $1.entry) }
            while size > limit, let last = entries.popLast() { size -= last.entry.utf8.count + 1 }
        }
        return entries.map(\.entry).sorted().joined(separator: ",")
    }

    private static func entry(_ name: String, _ position: Position) -> String {
        "\(PercentEncoding.encoded(name))=\(position)"
    }

    /// The positions in a text; nil when it is not such a text, or has a name twice.
    static func positions(_ text: String) -> [String: Position]? {
        var positions: [String: Position] = [:]
        guard !text.isEmpty else { return positions }
        for entry in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = entry.split(separator: "=", omittingEmptySubsequences: false)
            guard parts.count == 2, let name = PercentEncoding.decoded(parts[0]), !name.isEmpty,
                let position = Position(String(parts[1])),
                positions.updateValue(position, forKey: name) == nil
            else { return nil }
        }
        return positions
    }
}
