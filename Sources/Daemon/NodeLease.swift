import Config
import HTTPAPI
import LTX
import Lease
import Logging
import POSIX
import Replication
import Store
import Synchronization

/// What the lease says this process is, and who else is what.
///
/// For a static lease all of it stands in the settings. Thread-safe.
final class NodeLease: Sendable {
    private let role: Atomic<Bool>
    /// Whether this process is the primary's daemon; for its whole life, once it was settled.
    var isPrimary: Bool { role.load(ordering: .relaxed) }
    /// Whether this node may be the primary.
    let isCandidate: Bool
    /// Whether another daemon of this node may have the other role.
    let roleMayChange: Bool
    /// Until when commits may be acknowledged.
    let permit: WritePermit
    /// Where this node is reached if it is the primary, or, with a static lease, where the primary is.
    let advertiseURL: String
    private let hostname: String
    private let keeper: LeaseKeeper?
    private let relay: Relay

    /// What the thread of the lease tells, before and after there is somebody who listens.
    final class Relay: Sendable {
        struct Listeners {
            var local: (@Sendable () -> LocalState)?
            var roleChanged: (@Sendable (Role) -> Void)?
            var holderChanged: (@Sendable (LeaseRecord?) -> Void)?
        }

        let listeners = Mutex(Listeners())
    }

    /// A lease that the settings decide.
    init(static lease: StaticLease) {
        role = Atomic(lease.isPrimary)
        isCandidate = lease.isPrimary
        roleMayChange = false
        permit = .forEver
        advertiseURL = lease.advertiseURL
        hostname = lease.hostname
        keeper = nil
        relay = Relay()
    }

    /// A lease that nodes agree about.
    ///
    /// Returns when it is known what this process is: see `LeaseKeeper.begin`.
    init(
        _ service: any LeaseService,
        _ candidacy: Candidacy,
        clusterID: String,
        local: () -> LocalState,
        nodeID: String,
        logger: Logger,
        isStopping: () -> Bool
    ) {
        let relay = Relay()
        let permit = WritePermit()
        let keeper = LeaseKeeper(
            service,
            candidacy,
            nodeID: nodeID,
            logger: logger,
            events: LeaseKeeper.Events(
                permitted: { permit.extend(to: $0) },
                forbidden: { permit.end() },
                roleChanged: { role in relay.listeners.withLock { $0.roleChanged }?(role) },
                holderChanged: { holder in relay.listeners.withLock { $0.holderChanged }?(holder) }
            )
        )
        role = Atomic(keeper.begin(clusterID: clusterID, local, isStopping: isStopping) == .primary)
        isCandidate = candidacy.isCandidate
        roleMayChange = candidacy.isCandidate
        advertiseURL = candidacy.advertiseURL
        hostname = candidacy.hostname
        self.permit = permit
        self.keeper = keeper
        self.relay = relay
    }

    /// Whether nodes agree about it.
    var isMoving: Bool { keeper != nil }

    /// The primary, while this node is none; nil when nobody is known.
    var primary: StreamClient.Primary? {
        guard let keeper else { return StreamClient.Primary(url: advertiseURL, hostname: hostname) }
        return keeper.holder.map(Self.primary)
    }

    private static func primary(_ holder: LeaseRecord) -> StreamClient.Primary {
        StreamClient.Primary(url: holder.advertiseURL, hostname: holder.hostname)
    }

    /// Why a primary may not acknowledge commits; nil when it may.
    var problem: String? {
        guard isPrimary, !permit.holds else { return nil }
        let ended = permit.remaining.map { -$0.nanoseconds / 1_000_000_000 }
        return "the lease \(ended.map { "ended \($0) s ago" } ?? "is not held"), so writes are refused"
            + (keeper?.lastError.map { ": \($0)" } ?? "")
    }

    /// How many requests about the lease failed.
    var errorCount: UInt64 { keeper?.errorCount ?? 0 }

    // MARK: - Life

    /// Begins as a replica although the lease was taken: what is here is not known to be what the lease was taken for.
    func followFirst() { role.store(false, ordering: .relaxed) }

    /// Goes on with the agreement.
    ///
    /// - Parameter roleChanged: this process is to be replaced by one with the other role.
    func start(roleChanged: @escaping @Sendable (Role) -> Void) {
        relay.listeners.withLock { $0.roleChanged = roleChanged }
        keeper?
            .start(as: isPrimary ? .primary : .replica) { [relay] in
                relay.listeners.withLock { $0.local }?() ?? LocalState()
            }
    }

    /// Says what this node has from now on.
    func know(_ local: @escaping @Sendable () -> LocalState) { relay.listeners.withLock { $0.local = local } }

    /// Has `client` follow whoever holds the lease.
    func lead(_ client: StreamClient) {
        relay.listeners.withLock { $0.holderChanged = { client.follow($0.map(Self.primary)) } }
        client.follow(primary)
    }

    /// The primary's stream ended: perhaps it gave the lease up.
    func wake() { keeper?.wake() }

    /// Ends the agreement; the lease stays as it is.
    func halt() { keeper?.halt() }

    /// Gives the lease up, if this node holds it; after `halt`.
    func release(_ final: LocalState) {
        permit.close()
        keeper?.release(final)
    }

    /// Why the databases that this node has are not those for which it holds the lease; nil when they are.
    func contentObstacle(_ local: LocalState) -> String? { keeper?.contentObstacle(local) }
}
