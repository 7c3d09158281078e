import Replication
import Store

/// What the API tells about the node itself.
///
/// Asked for each request, on any thread.
public protocol NodeView: Sendable {
    /// Whether this node may be the primary.
    var isCandidate: Bool { get }
    /// Whether it is the primary now, and may acknowledge commits.
    var isPrimary: Bool { get }
    /// Why a primary may not acknowledge commits; nil when it may, and on a replica.
    var leaseProblem: String? { get }
    /// The folder where the databases are mounted.
    var mountPath: String { get }
    /// Whether they are.
    var isMounted: Bool { get }
    /// The primary's name while this node is a replica that is connected to it; else nil.
    var primaryHostname: String? { get }
    /// Why this replica is not connected, when it is known.
    var connectionError: String? { get }
    /// How far this node is behind; `.none` on the primary.
    var lag: Lag { get }
    /// How far a database is behind; `.none` on the primary.
    func lag(of name: DatabaseName) -> Lag
}
