import LTX
import POSIX

/// What a node is, or is to be.
public enum Role: String, Sendable {
    /// It writes.
    case primary
    /// It follows the primary.
    case replica
}

/// Who this node is for the others.
public struct Candidacy: Equatable, Sendable {
    /// Its name as a holder; see `LeaseIdentity`.
    public var identity: String
    /// Its host name, for `.primary` on the mounts of the others.
    public var hostname: String
    /// Where its HTTP server is reached.
    public var advertiseURL: String
    /// Its pod; empty when it has none.
    public var pod: String
    /// Whether it may be the primary.
    public var isCandidate: Bool
    /// How long the lease holds when this node renews it.
    public var duration: Duration

    /// Joins them.
    public init(
        identity: String,
        hostname: String,
        advertiseURL: String,
        pod: String,
        isCandidate: Bool,
        duration: Duration
    ) {
        self.identity = identity
        self.hostname = hostname
        self.advertiseURL = advertiseURL
        self.pod = pod
        self.isCandidate = isCandidate
        self.duration = duration
    }
}

/// What this node has, as far as the lease is concerned.
public struct LocalState: Equatable, Sendable {
    /// How far each database is; nil while that is not known.
    public var positions: [String: Position]?
    /// The cluster that it belongs to; empty while it belongs to none.
    public var clusterID = ""

    /// Joins them.
    public init(positions: [String: Position]? = nil, clusterID: String = "") {
        self.positions = positions
        self.clusterID = clusterID
    }
}

/// The rules by which nodes agree who writes.
///
/// A value without a clock: it is told what was read and when, and says what to do. Invariants L1, L4 and L5 of the architecture.
public struct Election: Sendable {
    /// What to do about the record.
    public enum Step: Equatable, Sendable {
        /// Read it.
        case read
        /// Write this one, in place of what was read last, or as the first.
        case write(LeaseRecord)
        /// Nothing before this moment.
        case wait(until: BootTime)
    }

    /// Why a candidate does not take a lease that nobody holds.
    public enum Obstacle: Equatable, Sendable {
        /// Another cluster's.
        case otherCluster(lease: String, local: String)
        /// This node has no data yet, and the cluster has.
        case noCluster(lease: String)
        /// A database of this node is behind the recorded position, or beside it.
        case behind(database: String, recorded: Position, local: Position)
    }

    private let candidacy: Candidacy
    private var stored: StoredLease?
    /// Whether what is known of the record is what it was the last time that a request succeeded.
    private var isKnown = false
    /// When the present holder's last renewal was seen, or that there is no record.
    private var seen: BootTime?
    /// When the record was read or written the last time.
    private var looked: BootTime?
    /// When it was read after a time in which it could not be.
    private var regained: BootTime?
    /// When the record was asked for the last time, or written.
    private var asked: BootTime?
    /// When the last renewal of this node was sent that succeeded, and nobody else held the lease since.
    private var renewed: BootTime?
    private var hasFailed = false

    /// Nothing is known yet.
    public init(_ candidacy: Candidacy) { self.candidacy = candidacy }

    // MARK: - Times

    /// The time between two renewals.
    static func renewal(_ duration: Duration) -> Duration { duration / 3 }

    /// How much earlier the permit ends than others may take the lease, for clocks that do not run alike.
    static func margin(_ duration: Duration) -> Duration { duration / 10 }

    /// How long a holder has to renew its lease once the record can be read again.
    ///
    /// It could not be written either: nobody takes a holder for gone because the API server was. Longer than a request and the pause after it.
    static func grace(_ duration: Duration) -> Duration { duration / 2 }

    /// The time after which something that failed is tried again.
    static func retry(_ duration: Duration) -> Duration { min(.seconds(1), duration / 15) }

    /// The time between two looks at a lease that another node holds.
    private var look: Duration {
        candidacy.isCandidate ? min(.seconds(1), candidacy.duration / 10) : .seconds(5)
    }

    // MARK: - What was read

    /// The record that was read or written last; nil when there is none.
    public var record: LeaseRecord? { stored?.record }

    /// What is to be replaced by the next write; nil when the record is to be created.
    public var base: StoredLease? { stored }

    /// Whether this node holds the lease, as far as it knows.
    public var isHolder: Bool { stored?.record.holder == candidacy.identity }

    /// Who holds it, if that is another node.
    public var otherHolder: LeaseRecord? {
        guard let record, !record.holder.isEmpty, record.holder != candidacy.identity else { return nil }
        return record
    }

    /// The record was read.
    ///
    /// - Parameters:
    ///   - stored: what it says; nil when there is none.
    ///   - now: a moment after the answer came.
    public mutating func read(_ stored: StoredLease?, at now: BootTime) {
        // Others than the holder may write to the object; only a renewal says that the holder lives.
        let isNews =
            seen == nil || stored?.record.holder != record?.holder
            || stored?.record.renewed != record?.renewed
        if isNews { seen = now }
        if let looked, looked + Self.renewal(candidacy.duration) < now { regained = now }
        looked = now
        if let holder = stored?.record.holder, holder != candidacy.identity { renewed = nil }
        self.stored = stored
        (isKnown, hasFailed) = (true, false)
        asked = now
    }

    /// The record was written.
    ///
    /// - Parameters:
    ///   - stored: what it is now.
    ///   - sent: a moment before the request was sent.
    /// - Returns: until when this node may acknowledge commits (L1).
    public mutating func wrote(_ stored: StoredLease, sent: BootTime) -> BootTime {
        self.stored = stored
        (isKnown, hasFailed) = (true, false)
        (seen, asked, looked) = (sent, sent, sent)
        guard isHolder else {
            renewed = nil
            return sent
        }
        renewed = sent
        let duration = stored.record.duration
        return sent + (duration - Self.margin(duration))
    }

    /// Somebody else wrote first: what he wrote is to be read.
    public mutating func conflicted() { isKnown = false }

    /// Whether it is known what the record says.
    public var isRead: Bool { isKnown }

    /// Whether this node holds the lease by a renewal of its own.
    public var isRenewed: Bool { isHolder && renewed != nil }

    /// A request failed, and it is not known whether it was carried out.
    public mutating func failed(at now: BootTime) {
        (isKnown, hasFailed) = (false, true)
        asked = now
    }

    // MARK: - What to do

    /// What to do now.
    ///
    /// - Parameters:
    ///   - now: the time.
    ///   - local: what this node has.
    /// - Returns: the next step.
    public func step(at now: BootTime, _ local: LocalState) -> Step {
        if !isKnown {
            guard hasFailed, let asked else { return .read }
            let next = asked + Self.retry(candidacy.duration)
            return now < next ? .wait(until: next) : .read
        }
        if isHolder || stored == nil && renewed != nil { return holderStep(at: now, local) }
        let next = (asked ?? now) + look
        guard candidacy.isCandidate else { return now < next ? .wait(until: next) : .read }
        let free = free(local)
        if free > now { return now < next ? .wait(until: min(next, free)) : .read }
        if obstacle(local) == nil { return .write(taken(local)) }
        return now < next ? .wait(until: next) : .read
    }

    private func holderStep(at now: BootTime, _ local: LocalState) -> Step {
        guard let renewed, stored != nil else { return .write(renewal(local)) }
        let isRecorded = local.clusterID.isEmpty || record?.clusterID == local.clusterID
        let next = isRecorded ? renewed + Self.renewal(candidacy.duration) : now
        return now < next ? .wait(until: next) : .write(renewal(local))
    }

    /// From when on nobody holds the lease.
    ///
    /// Without a record nobody seems to; but somebody may have removed it while there was a primary, which does not know yet. Only a node that
    /// belongs to no cluster yet need not think of that.
    private func free(_ local: LocalState) -> BootTime {
        guard let seen else { return BootTime(nanoseconds: .max) }
        guard let record else { return local.clusterID.isEmpty ? seen : seen + candidacy.duration }
        guard !record.holder.isEmpty else { return seen }
        let end = seen + record.duration
        return regained.map { max(end, $0 + Self.grace(record.duration)) } ?? end
    }

    /// Whether nobody holds the lease now.
    public func isFree(at now: BootTime, _ local: LocalState) -> Bool {
        isKnown && !isHolder && free(local) <= now
    }

    /// Why this node must not take the lease although nobody holds it; nil when it may.
    public func obstacle(_ local: LocalState) -> Obstacle? {
        guard let record else { return nil }
        if !record.clusterID.isEmpty, record.clusterID != local.clusterID {
            return local.clusterID.isEmpty
                ? .noCluster(lease: record.clusterID)
                : .otherCluster(lease: record.clusterID, local: local.clusterID)
        }
        if record.takeover == candidacy.hostname, !record.takeover.isEmpty { return nil }
        for (name, recorded) in record.positions.sorted(by: { $0.key < $1.key }) {
            let present = local.positions?[name] ?? .zero
            if present.txid < recorded.txid || present.txid == recorded.txid && present != recorded {
                return .behind(database: name, recorded: recorded, local: present)
            }
        }
        return nil
    }

    // MARK: - Records

    private func taken(_ local: LocalState) -> LeaseRecord {
        var record = renewal(local)
        record.transitions += 1
        record.takeover = ""
        return record
    }

    private func renewal(_ local: LocalState) -> LeaseRecord {
        var record = record ?? LeaseRecord()
        record.holder = candidacy.identity
        record.duration = candidacy.duration
        record.hostname = candidacy.hostname
        record.advertiseURL = candidacy.advertiseURL
        record.pod = candidacy.pod
        if !local.clusterID.isEmpty { record.clusterID = local.clusterID }
        // A daemon that begins has not read its databases yet.
        if let positions = local.positions { record.positions = positions }
        return record
    }

    /// The record that gives the lease up, with the last position of every database.
    ///
    /// Nil unless this node holds it.
    public func release(_ local: LocalState) -> LeaseRecord? {
        guard isHolder else { return nil }
        var record = renewal(local)
        record.holder = ""
        return record
    }
}
