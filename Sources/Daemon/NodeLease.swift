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
    /// Whether this process is the primary's daemon; for its whole life.
    let isPrimary: Bool
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
            var roleChanged: (@Sendable (Role) -> Void)?
            var holderChanged: (@Sendable (LeaseRecord?) -> Void)?
        }

        let listeners = Mutex(Listeners())
    }

    /// A lease that the settings decide.
    init(static lease: StaticLease) {
        isPrimary = lease.isPrimary
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
        local: LocalState,
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
        isPrimary = keeper.begin(local, isStopping: isStopping) == .primary
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
        return "the lease ended \(-permit.remaining.nanoseconds / 1_000_000_000) s ago, so writes are refused"
            + (keeper?.lastError.map { ": \($0)" } ?? "")
    }

    /// How many requests about the lease failed.
    var errorCount: UInt64 { keeper?.errorCount ?? 0 }

    /// Goes on with the agreement.
    ///
    /// - Parameters:
    ///   - local: what this node has.
    ///   - roleChanged: this process is to be replaced by one with the other role.
    func start(
        _ local: @escaping @Sendable () -> LocalState,
        roleChanged: @escaping @Sendable (Role) -> Void
    ) {
        relay.listeners.withLock { $0.roleChanged = roleChanged }
        keeper?.start(local)
    }

    /// Has `client` follow whoever holds the lease.
    func lead(_ client: StreamClient) {
        relay.listeners.withLock { $0.holderChanged = { client.follow($0.map(Self.primary)) } }
        client.follow(primary)
    }

    /// The primary's stream ended: perhaps it gave the lease up.
    func wake() { keeper?.wake() }

    /// Ends the agreement; with `final`, gives the lease up.
    func stop(releasing final: LocalState? = nil) { keeper?.stop(releasing: final) }
}
