/// Who is the primary because the settings say so: for ever, and without asking anybody.
///
/// The node with `candidate: true` is the primary. `hostname` and `advertise-url` are the primary's on every node.
public struct StaticLease: Equatable, Sendable {
    /// Whether this node is the primary.
    public let isPrimary: Bool

    /// The primary's name, for `.primary` on the mount; may be empty.
    public let hostname: String

    /// Where the primary's HTTP server is reached; never empty on a replica with checked settings.
    public let advertiseURL: String

    /// Makes a lease from the section `lease` of the settings.
    public init(candidate: Bool, hostname: String, advertiseURL: String) {
        isPrimary = candidate
        self.hostname = hostname
        self.advertiseURL = advertiseURL
    }

    /// The log line at the start, in LiteFS's words.
    public var startText: String {
        "Using static primary: primary=\(isPrimary) hostname=\(hostname) advertise-url=\(advertiseURL)"
    }

    /// The log line of a node that begins to act as what it is, in LiteFS's words.
    ///
    /// - Parameter nodeID: The node's id of this run, 16 hex digits.
    /// - Returns: The line.
    public func roleText(nodeID: String) -> String {
        isPrimary
            ? "\(nodeID): primary lease acquired, advertising as \(advertiseURL)"
            : "\(nodeID): existing primary found (\(hostname)), connecting as replica to \"\(advertiseURL)\""
    }
}
