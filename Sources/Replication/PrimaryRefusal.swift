import Store

/// Why the primary gives no stream.
enum PrimaryRefusal: Error, CustomStringConvertible {
    case unreachable(url: String, reason: String)
    case needsHTTP2
    case isSelf(url: String)
    case status(Int, text: String, url: String)
    case invalidClusterID(String)
    case otherCluster(ours: ClusterID, theirs: ClusterID)

    /// How much of an answer's text is shown, in bytes.
    static let maximumText = 1024

    init(status: Int, text bytes: [UInt8], url: String) {
        let first = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).first ?? ""
        switch status {
        case 426: self = .needsHTTP2
        case 400 where first == "cannot connect to self": self = .isSelf(url: url)
        default: self = .status(status, text: String(first), url: url)
        }
    }

    var description: String {
        switch self {
        case .unreachable(let url, let reason): "connect to primary: \(reason) ('\(url)')"
        case .needsHTTP2: "connect to primary: it needs HTTP/2"
        case .isSelf(let url):
            "connect to primary: cannot connect to self ('\(url)'); advertise-url must be the primary's on every node"
        case .status(let status, let text, let url):
            "connect to primary: invalid response: code=\(status)\(text.isEmpty ? "" : " (\(text))") ('\(url)')"
        case .invalidClusterID(let text): "the primary has an invalid cluster id: \(text.prefix(64))"
        case .otherCluster(let ours, let theirs):
            "cannot stream from primary with a different cluster id: \(ours) <> \(theirs); the data here is kept and served as "
                + "it is; if this node is to join \(theirs), stop it, move its data directory away and start it again"
        }
    }
}
