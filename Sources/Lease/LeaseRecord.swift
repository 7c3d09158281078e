import JSON
import LTX

/// What the nodes of a cluster agree on: who may write, until when, and from where on.
///
/// A value; how it is kept is the service's affair. Kubernetes: `spec` and annotations of a coordination.k8s.io/v1 Lease.
public struct LeaseRecord: Equatable, Sendable {
    /// Who holds it: see `LeaseIdentity`; empty when nobody does.
    public var holder = ""
    /// How long it holds after it was renewed; whole seconds, at least 1.
    public var duration: Duration = .seconds(15)
    /// How often it went from one holder to another.
    public var transitions: Int64 = 0
    /// When it was taken; as the service has it, kept as it is.
    public var acquired = ""
    /// When it was renewed; as the service has it, never compared with a clock.
    public var renewed = ""
    /// The holder's name, for `.primary` on the mount.
    public var hostname = ""
    /// Where the holder's HTTP server is reached.
    public var advertiseURL = ""
    /// The holder's pod; empty when it has none.
    public var pod = ""
    /// The cluster that it is the lease of; empty as long as it has none.
    public var clusterID = ""
    /// How far each database was when the lease was last renewed, or given up.
    public var positions: [String: Position] = [:]
    /// The host name of the candidate that an operator lets take the lease whatever its positions are; empty for none.
    public var takeover = ""

    /// Makes a record that nobody holds.
    public init() {}
}

/// A record as it was read or written.
public struct StoredLease: Equatable, Sendable {
    /// What it says.
    public var record: LeaseRecord
    /// Changes with every write, whoever writes; nothing else is known of it.
    public var version: String
    /// All that the service keeps, also what others wrote there; nil when it keeps nothing else.
    ///
    /// Only the service looks into it: a replacement leaves everything as it is that is not the record's.
    public let object: JSONValue?

    /// Joins them.
    public init(record: LeaseRecord, version: String, object: JSONValue? = nil) {
        self.record = record
        self.version = version
        self.object = object
    }
}

/// Where the record is kept, so that of two who replace it at once only one succeeds.
///
/// Calls block the caller; `interrupt` ends them.
public protocol LeaseService: Sendable {
    /// What it is called in messages, such as `Lease default/app`.
    var name: String { get }

    /// Reads the record; nil when there is none yet.
    func read() throws(LeaseError) -> StoredLease?

    /// Writes the first record.
    ///
    /// - Throws: `.conflict` when there is one already.
    func create(_ record: LeaseRecord) throws(LeaseError) -> StoredLease

    /// Writes a record in place of one that was read. `renewed` becomes now, and `acquired` too when the holder is another one.
    ///
    /// - Throws: `.conflict` when somebody else wrote since.
    func replace(_ stored: StoredLease, by record: LeaseRecord) throws(LeaseError) -> StoredLease

    /// Has whoever looks for the primary find this pod, or no longer find it.
    func label(pod: String, isPrimary: Bool) throws(LeaseError)

    /// Ends calls that are under way; later ones are made.
    func interrupt()
}

/// Why the lease could not be read or written.
public enum LeaseError: Error, Equatable, Sendable {
    /// Somebody else wrote since it was read.
    case conflict
    /// The service does not answer, in words.
    case unreachable(String)
    /// The service refuses, in words: what, and what to do.
    case refused(String)
    /// What it answered cannot be understood, in words.
    case unreadable(String)
    /// `interrupt` was called.
    case cancelled
}

extension LeaseError: CustomStringConvertible {
    /// The reason.
    public var description: String {
        switch self {
        case .conflict: "somebody else wrote it meanwhile"
        case .unreachable(let reason), .refused(let reason), .unreadable(let reason): reason
        case .cancelled: "cancelled"
        }
    }
}
