import HTTP
import Store

/// The header fields by which nodes know each other.
public enum NodeHeaders {
    /// The sender's node ID: sixteen upper-case hex digits.
    public static let nodeID = "Litefs-Id"
    /// The cluster that the sender's data belongs to.
    public static let clusterID = "Litefs-Cluster-Id"
    /// What the sender understands beyond LiteFS 0.5: words, separated by commas.
    public static let capabilities = "Litefs-Capabilities"
    /// The capability to take files that begin with transactions that are already there.
    public static let overlap = "overlap"
    /// The capability to ask for the pages that differ, instead of a whole database.
    public static let difference = "difference"

    /// The newest positions of the database that is compared, newest first, separated by commas, to learn which of them the primary knows.
    public static let log = "Litefs-Log"
    /// The newest of these that it knows.
    public static let common = "Litefs-Common"
    /// So many of them are asked for at most.
    static let mostPositions = 128

    /// The text of a node ID.
    public static func text(nodeID: UInt64) -> String {
        let digits = String(nodeID, radix: 16, uppercase: true)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// The node ID in a text of one to sixteen hex digits; nil for anything else and for 0.
    public static func parse(nodeID text: String) -> UInt64? {
        guard text.utf8.count <= 16, text.utf8.first != UInt8(ascii: "+"), let value = UInt64(text, radix: 16)
        else {
            return nil
        }
        return value == 0 ? nil : value
    }

    /// Puts the identity of this node on an answer.
    public static func identify(_ response: inout HTTPResponse, nodeID: UInt64, clusterID: ClusterID?) {
        response.headers[Self.nodeID] = text(nodeID: nodeID)
        response.headers[Self.clusterID] = clusterID?.description
    }

    /// The words of the capabilities field; nil when the field is missing.
    package static func capabilities(of headers: HTTPHeaders) -> Set<String>? {
        guard let text = headers[capabilities] else { return nil }
        let words = text.split(separator: ",").map { $0.filter { $0 != " " && $0 != "\t" } }
        return Set(words.map { String($0) })
    }
}
