import Logging
import POSIX

/// Keeps what the node is in agreement with the others: renews its lease, or looks for one that is free.
///
/// `begin` says what the node is for the life of the process; from `start` on a thread of its own, `lease`, goes on, and tells when that should be
/// another thing. Everything may be called from any thread.
public final class LeaseKeeper: Sendable {
    /// What others do with what is found out.
    public struct Events: Sendable {
        /// Commits may be acknowledged until this moment, which is later than any before.
        public var permitted: @Sendable (BootTime) -> Void
        /// Commits must not be acknowledged from now on.
        public var forbidden: @Sendable () -> Void
        /// This process is to be replaced by one that is this.
        public var roleChanged: @Sendable (Role) -> Void
        /// Another node holds the lease, or nobody.
        public var holderChanged: @Sendable (LeaseRecord?) -> Void

        /// Joins them.
        public init(
            permitted: @escaping @Sendable (BootTime) -> Void,
            forbidden: @escaping @Sendable () -> Void,
            roleChanged: @escaping @Sendable (Role) -> Void,
            holderChanged: @escaping @Sendable (LeaseRecord?) -> Void
        ) {
            self.permitted = permitted
            self.forbidden = forbidden
            self.roleChanged = roleChanged
            self.holderChanged = holderChanged
        }
    }

    private struct State {
        var isStopping = false
        var hasEnded = false
        /// Look now, whatever the time.
        var isWoken = false
        var holder: LeaseRecord?
        var errors: UInt64 = 0
        var lastError: String?
    }

    private let service: any LeaseService
    private let candidacy: Candidacy
    private let nodeID: String
    private let logger: Logger
    private let events: Events
    private let state = Guarded(State())
    private let thread = Guarded<Thread?>(nil)

    // SAFETY: used by the thread that calls `begin` and `start`, then by the thread that `start` starts, then, when that has ended, by the
    // one that calls `halt` and `release`.
    private nonisolated(unsafe) var election: Election
    private nonisolated(unsafe) var role: Role?
    private nonisolated(unsafe) var labels: LeaseLabels
    /// What was said last about why the lease is not taken.
    private nonisolated(unsafe) var obstacle: Election.Obstacle?
    /// What a primary had, oldest first; see `settled`.
    private nonisolated(unsafe) var samples: [(moment: BootTime, state: LocalState)] = []
    /// When a change of role was asked for, and how often.
    private nonisolated(unsafe) var changeAsked: BootTime?
    private nonisolated(unsafe) var changesAsked = 0
    /// Until when this node leaves the lease to others, because it could not become the primary.
    private nonisolated(unsafe) var restsUntil = BootTime(nanoseconds: 0)

    /// A change of role that did not come about is asked for again after this time.
    private static let changePatience = Duration.seconds(10)
    /// So often; then the lease is given up, and left to others for a time.
    private static let mostChanges = 3
    private static let rest = Duration.seconds(60)
    /// `begin` takes no longer than this, because programs may wait for the process.
    private static let longestBeginning = Duration.seconds(5)
    /// How long a request that is under way may still take when the keeper ends.
    private static let stopPatience = Duration.milliseconds(500)

    /// A keeper that knows nothing yet.
    ///
    /// - Parameters:
    ///   - service: where the record is.
    ///   - candidacy: who this node is.
    ///   - nodeID: this process's id, for the log.
    ///   - logger: hears of changes and errors.
    ///   - events: what follows from what is found out.
    public init(
        _ service: any LeaseService,
        _ candidacy: Candidacy,
        nodeID: String,
        logger: Logger,
        events: Events
    ) {
        self.service = service
        self.candidacy = candidacy
        self.nodeID = nodeID
        self.logger = logger
        self.events = events
        election = Election(candidacy)
        labels = LeaseLabels(service, own: candidacy.pod, logger)
    }

    // MARK: - What is known

    /// Who holds the lease, if that is another node.
    public var holder: LeaseRecord? { state.withLock { $0.pointee.holder } }

    /// How many requests failed.
    public var errorCount: UInt64 { state.withLock { $0.pointee.errors } }

    /// Why the last request failed; nil when it did not.
    public var lastError: String? { state.withLock { $0.pointee.lastError } }

    /// Why the databases of this node are not those of the lease that it holds; nil when they are.
    ///
    /// After `begin`, before `start`.
    public func contentObstacle(_ local: LocalState) -> String? {
        election.isHolder ? election.positionObstacle(local)?.text(service.name, candidacy) : nil
    }

    // MARK: - Life

    /// Finds out what this node is.
    ///
    /// Takes the lease when nobody holds it and nothing is in the way. The service is asked again while it does not answer, but no longer than
    /// a third of the duration: then the node is a replica, whose readers need nobody.
    ///
    /// - Parameters:
    ///   - clusterID: the cluster that it belongs to; empty while it belongs to none.
    ///   - local: what it has, as far as that can be known before its databases are opened; not asked of a node that goes on with its own
    ///     lease, for whose programs time counts.
    ///   - isStopping: whether the process is to end.
    /// - Returns: what it is.
    public func begin(clusterID: String, _ local: () -> LocalState, isStopping: () -> Bool) -> Role {
        let deadline = BootTime.now + min(Self.longestBeginning, Election.renewal(candidacy.duration))
        read()
        let local = election.isHolder ? LocalState(clusterID: clusterID) : local()
        var role = Role.replica
        while !isStopping() {
            let next = advance(local)
            if election.isRenewed { role = .primary }
            if election.isRead || next > deadline { break }
            pause(max(.milliseconds(1), next - BootTime.now))
        }
        return role
    }

    /// Goes on as the primary or as a replica, on a thread of its own.
    ///
    /// - Parameters:
    ///   - role: what `begin` said; or a replica, although the lease was taken, when it cannot be the primary at once.
    ///   - local: what the node has; asked before each step, on the thread.
    public func start(as role: Role, _ local: @escaping @Sendable () -> LocalState) {
        self.role = role
        labels.want(role)
        if role == .replica { events.forbidden() }
        let thread = Thread("lease") { [self] in
            while wait(until: advance(settled(local()))) {}
            state.withLock { $0.pointee.hasEnded = true }
            state.wakeAll()
        }
        self.thread.withLock { $0.pointee = thread }
    }

    /// Has the thread look at once: the primary's stream ended.
    public func wake() {
        state.withLock { $0.pointee.isWoken = true }
        state.wakeAll()
    }

    /// Ends the thread; the lease stays as it is.
    ///
    /// Returns when nothing is written any more.
    public func halt() {
        var deadline = MonotonicTime.now + Self.stopPatience
        state.withLock { $0.pointee.isStopping = true }
        state.wakeAll()
        let thread = thread.withLock { thread in
            defer { thread.pointee = nil }
            return thread.pointee
        }
        guard let thread else { return }
        while true {
            let hasEnded = state.withLock { state in
                while !state.pointee.hasEnded, self.state.wait(until: deadline) {}
                return state.pointee.hasEnded
            }
            if hasEnded { break }
            // It may have begun another request by then.
            service.interrupt()
            deadline = .now + .milliseconds(20)
        }
        thread.join()
    }

    /// Waits; false when the keeper stops.
    private func wait(until moment: BootTime) -> Bool {
        let deadline = MonotonicTime.now + max(.zero, moment - BootTime.now)
        return state.withLock { state in
            while !state.pointee.isStopping, !state.pointee.isWoken, self.state.wait(until: deadline) {}
            if state.pointee.isWoken {
                state.pointee.isWoken = false
                if !election.isHolder { election.conflicted() }
            }
            return !state.pointee.isStopping
        }
    }

    // MARK: - One step after the other

    /// How old positions are when a renewal records them.
    private var settling: Duration { min(.seconds(1), candidacy.duration / 10) }

    /// What a renewal records.
    ///
    /// Replicas had time to get it: one whose primary dies at the moment of a renewal must not be behind for that alone.
    private func settled(_ local: LocalState) -> LocalState {
        guard role == .primary else { return local }
        let now = BootTime.now
        samples.append((now, local))
        guard let old = samples.lastIndex(where: { $0.moment + settling <= now }) else {
            return LocalState(clusterID: local.clusterID)
        }
        samples.removeFirst(old)
        return LocalState(positions: samples[0].state.positions, clusterID: local.clusterID)
    }

    /// Does what is to be done now.
    ///
    /// - Returns: when there is something to be done again.
    private func advance(_ local: LocalState) -> BootTime {
        // A round has a read and a write at most; more of them are others' writes that came first.
        for _ in 0..<8 {
            if isStopping { return .now }
            if election.isHolder, role == .replica, let database = local.doubtful {
                release(
                    LocalState(),
                    because: "it is not known what database \"\(database)\" of this node holds"
                )
            }
            if BootTime.now < restsUntil, !election.isHolder { return rest() }
            switch election.step(at: .now, local) {
            case .wait(let moment):
                judge(local)
                let next = min(moment, labels.advance() ?? moment)
                return role == .primary ? min(next, .now + settling) : next
            case .read: read()
            case .write(let record): write(record)
            }
        }
        judge(local)
        return .now + Election.retry(candidacy.duration)
    }

    private var isStopping: Bool { state.withLock { $0.pointee.isStopping } }

    /// Leaves the lease to others for a while, but looks who has it.
    private func rest() -> BootTime {
        read()
        return min(restsUntil, .now + .seconds(1))
    }

    private func read() {
        do throws(LeaseError) {
            let stored = try service.read()
            election.read(stored, at: .now)
            noteSuccess()
        } catch {
            failed(error)
        }
    }

    private func write(_ record: LeaseRecord) {
        let before = election.record
        let wasHolder = election.isHolder
        let sent = BootTime.now
        do throws(LeaseError) {
            let stored: StoredLease
            if let base = election.base {
                stored = try service.replace(base, by: record)
            } else {
                stored = try service.create(record)
            }
            let end = election.wrote(stored, sent: sent)
            if role != .replica { events.permitted(end) }
            if !wasHolder { taken(from: before) }
            noteSuccess()
        } catch .conflict {
            election.conflicted()
        } catch {
            failed(error)
        }
    }

    private func taken(from before: LeaseRecord?) {
        logger.info("\(nodeID): primary lease acquired, advertising as \(candidacy.advertiseURL)")
        if before?.takeover == candidacy.hostname, !candidacy.hostname.isEmpty {
            logger.warning(
                "\(nodeID): the lease was taken with the positions that this node has, because \(service.name) says so (litefs.io/takeover)"
            )
        }
        if let pod = before?.pod, pod != candidacy.pod { labels.forget(pod) }
    }

    private func failed(_ error: LeaseError) {
        election.failed(at: .now)
        guard error != .cancelled else { return }
        let isNews = state.withLock { state in
            state.pointee.errors += 1
            defer { state.pointee.lastError = "\(error)" }
            return state.pointee.lastError != "\(error)"
        }
        guard isNews else { return }
        if role == .primary {
            logger.warning("\(nodeID): lease renewal error, retrying: \(error)")
        } else {
            logger.warning(
                "\(nodeID): cannot acquire lease or find primary, retrying: \(error)"
            )
        }
    }

    private func noteSuccess() {
        let holder = election.otherHolder
        let (isNews, wasFailing) = state.withLock { state in
            let before = state.pointee.holder
            let wasFailing = state.pointee.lastError != nil
            state.pointee.lastError = nil
            state.pointee.holder = holder
            return (
                before?.holder != holder?.holder || before?.advertiseURL != holder?.advertiseURL, wasFailing
            )
        }
        if wasFailing { logger.info("\(nodeID): \(service.name) can be reached again") }
        if isNews { events.holderChanged(holder) }
    }

    /// What the record means for this process.
    private func judge(_ local: LocalState) {
        switch role {
        case .primary:
            guard let other = election.otherHolder else { return }
            events.forbidden()
            change(to: .replica) {
                logger.error("\(nodeID): primary lease lost, retrying: \(other.hostname) has it now")
            }
        case .replica where election.isRenewed:
            change(to: .primary) {}
        case .replica, nil:
            (changeAsked, changesAsked) = (nil, 0)
            tellObstacle(local)
        }
    }

    private func change(to role: Role, _ tell: () -> Void) {
        let now = BootTime.now
        if let changeAsked, now < changeAsked + Self.changePatience { return }
        if changeAsked == nil { tell() }
        if role == .primary, changesAsked == Self.mostChanges {
            (changeAsked, changesAsked) = (nil, 0)
            restsUntil = now + Self.rest
            return release(LocalState(), because: "this node could not become the primary")
        }
        changeAsked = now
        changesAsked += 1
        events.roleChanged(role)
    }

    private func tellObstacle(_ local: LocalState) {
        guard candidacy.isCandidate, election.isFree(at: .now, local), let found = election.obstacle(local)
        else {
            if election.otherHolder != nil { obstacle = nil }
            return
        }
        guard found != obstacle else { return }
        obstacle = found
        logger.warning("\(nodeID): \(found.text(service.name, candidacy))")
    }

    // MARK: - The end

    /// Gives the lease up, so that another node can have it at once; nothing happens unless this node holds it.
    ///
    /// Invariant (L5): commits are refused already, for good, and these positions have the last of them. Not while the thread runs.
    ///
    /// - Parameter final: what the node has; without positions those that are recorded stay.
    public func release(_ final: LocalState) { release(final, because: nil) }

    private func release(_ local: LocalState, because reason: String?) {
        guard let record = election.release(local), let base = election.base else { return }
        if let reason {
            logger.error("\(nodeID): the lease is given up: \(reason)")
        } else {
            logger.info("\(nodeID): exiting primary, destroying lease")
        }
        let sent = BootTime.now
        do throws(LeaseError) {
            _ = election.wrote(try service.replace(base, by: record), sent: sent)
        } catch .conflict {
            election.conflicted()
        } catch {
            election.failed(at: .now)
            logger.warning(
                "\(nodeID): \(service.name) cannot be given up, so another node can have it only in \(candidacy.duration): \(error)"
            )
        }
    }
}
