import Logging
import POSIX

/// The life of a supervisor's daemons, one after the other, on one thread.
final class KeeperLoop {
    private let keeper: DaemonKeeper
    private let logger: Logger
    private var session = KeptSession()
    private var child: DaemonChild?
    /// Where the program of the next daemon is: this process's own, until another one took over.
    private var program = "/proc/self/exe"
    /// Daemons one after the other that did not serve for `goodLife`.
    private var failures = 0
    /// When the last daemon ended or was told to; nil when another one serves since.
    private var silentSince: MonotonicTime?
    private var upgrades: UpgradeSocket?
    private var isStopTold = false
    /// Why the daemon wants to be replaced; nil when it does not.
    private var replacementReason: String?
    /// Processes whose end is not known yet, because a thread waits for its own mount.
    private var ending: [ChildProcess] = []

    /// A daemon that served for so long was none that keeps dying.
    private static let goodLife = Duration.milliseconds(100)
    private static let shortPause = Duration.milliseconds(50)
    private static let longPause = Duration.seconds(5)
    /// How long a new daemon may take until it understands the session.
    private static let standbyLimit = Duration.seconds(20)
    /// How long a daemon may take to hand over, before it is killed.
    private static let handOverLimit = Duration.seconds(30)
    private static let serveLimit = Duration.seconds(120)

    init(_ keeper: DaemonKeeper) {
        self.keeper = keeper
        logger = keeper.logger
    }

    private var isStopping: Bool { keeper.state.withLock { $0.pointee.isStopping } }
    private var wasReady: Bool { keeper.state.withLock { $0.pointee.outcome != nil } }

    /// Runs until the supervisor stops, or the first start fails.
    func run() {
        defer {
            // The end came while there was no daemon that could take its mount away.
            let isLeftBehind = session.isWhole
            session.end()
            if isLeftBehind { try? Mounts.unmount(keeper.options.mountFolder, lazily: true) }
            if upgrades != nil {
                try? Files.unlink(keeper.options.dataDirectory + "/" + UpgradeSocket.name, ifExists: true)
            }
            settle(.success(()))
        }
        guard begin(isFirst: true) else { return }
        while let child {
            stopIfAsked(child)
            var descriptors = [child.descriptor]
            if !isStopTold { descriptors.append(keeper.stopEvent.rawValue) }
            if let upgrades, !isStopTold { descriptors.append(upgrades.descriptor) }
            let ready = poll(readable: descriptors, timeout: ending.isEmpty ? nil : .seconds(1))
            reapEnding()
            if ready[0], !hear(child) { bury(child) }
            replaceIfAsked()
            if ready.count == 3, ready[2], let request = upgrades?.accept() { upgrade(consume request) }
        }
    }

    private func settle(_ outcome: Result<Void, StartError>) {
        keeper.state.withLock { if $0.pointee.outcome == nil { $0.pointee.outcome = outcome } }
        keeper.state.wakeAll()
    }

    // MARK: - A daemon begins

    /// Starts a daemon, which goes on with the session if there is one; false when that cannot be.
    private func begin(isFirst: Bool = false) -> Bool {
        do throws(Errno) {
            let next = try start(program, isFirst: isFirst)
            if !session.isWhole { next.send(.begin) }
            child = next
            return true
        } catch {
            settle(.failure(.failed(step: "start the daemon", reason: "\(error)")))
            logger.error("cannot start a daemon: \(error)")
            return false
        }
    }

    private func start(_ program: String, isFirst: Bool = false) throws(Errno) -> DaemonChild {
        let child = try DaemonChild(program, keeper.options.arguments, isFirst: isFirst)
        if session.isWhole { child.send(.continue, session.descriptors) }
        return child
    }

    /// Lets a daemon that understands the session take it over.
    private func go(_ child: DaemonChild) {
        for group in session.fileGroups { child.send(.kept, group) }
        child.send(.go)
    }

    // MARK: - What a daemon says

    /// Takes one message; false when the daemon is gone.
    private func hear(_ child: DaemonChild, isCandidate: Bool = false) -> Bool {
        guard let (message, descriptors) = child.receive() else { return false }
        var isTaken = false
        defer { if !isTaken { for descriptor in descriptors { _ = FileDescriptor(owning: descriptor) } } }
        guard let message else { return true }
        switch message.kind {
        case .session:
            isTaken = true
            session.begin(descriptors)
        case .keep:
            isTaken = true
            session.keep(descriptors)
        case .drop: session.drop(message.text)
        case .attached: session.isAttached = true
        case .standby:
            child.stage = .standby
            if !isCandidate { go(child) }
        case .serving: serves(child)
        case .ready:
            child.stage = .ready
            settle(.success(()))
        case .failed: failed(child, message.text)
        case .release:
            session.end()
            child.hasReleased = true
            child.send(.released)
        case .trouble:
            keeper.state.withLock { $0.pointee.troubles.append(message.text) }
        case .replace: replacementReason = message.text
        case .begin, .continue, .kept, .go, .handOver, .released: break
        }
        return true
    }

    private func serves(_ child: DaemonChild) {
        child.stage = max(child.stage, .serving)
        child.served = .now
        if let since = silentSince {
            let gap = (MonotonicTime.now - since).milliseconds
            logger.info(
                "the new daemon (process \(child.process.pid)) answers; requests waited for \(gap) ms"
            )
        }
        silentSince = nil
        guard upgrades == nil else { return }
        do throws(Errno) {
            upgrades = try UpgradeSocket(dataDirectory: keeper.options.dataDirectory)
        } catch {
            logger.warning(
                "litefs upgrade cannot reach this process: \(UpgradeSocket.name) in the data directory: \(error)"
            )
            // Not tried for each daemon anew.
        }
    }

    private func failed(_ child: DaemonChild, _ text: String) {
        let words = text.split(separator: "\0", maxSplits: 1, omittingEmptySubsequences: false)
            .map(String.init)
        let error = StartError.failed(step: words[0], reason: words.count > 1 ? words[1] : "")
        child.failure = error
        if wasReady { logger.error("the daemon does not start: \(error)") }
        if !session.isAttached || child.stage >= .serving { settle(.failure(error)) }
    }

    // MARK: - A daemon ends

    /// A daemon is gone: another one begins, unless all ends.
    private func bury(_ gone: DaemonChild) {
        child = nil
        replacementReason = nil
        let exit = exit(of: gone)
        if isStopping {
            // One that the signal met before it could take signals has nothing to stop.
            let isWell = exit == .code(0) || exit == .signal(Signal.terminate.rawValue)
            if let exit, !isWell, gone.failure == nil {
                keeper.state.withLock { state in
                    if state.pointee.troubles.isEmpty {
                        state.pointee.troubles.append("the daemon ended with \(exit)")
                    }
                }
            }
            return
        }
        let how = exit.map { "\($0)" } ?? "a thread still waits for the mount"
        if !wasReady, !session.isWhole {
            return settle(.failure(.failed(step: "start the daemon", reason: "it ended: \(how)")))
        }
        // The first start failed, and has been told.
        if gone.failure != nil, gone.served == nil, !session.isWhole { return }
        silentSince = silentSince ?? .now
        let lived = gone.served.map { MonotonicTime.now - $0 } ?? .zero
        failures = lived >= Self.goodLife ? 0 : failures + 1
        let pause =
            failures == 0 ? .zero : min(Self.longPause, Self.shortPause * (1 << min(failures - 1, 10)))
        let rest =
            pause > .zero
            ? " in \(pause.milliseconds) ms, because the last \(failures) did not live long" : ""
        if session.isWhole {
            logger.error(
                "the daemon (process \(gone.process.pid)) ended: \(how); its mount stays, requests wait, and another daemon "
                    + "goes on with it\(rest)"
            )
        } else {
            logger.error(
                "the daemon (process \(gone.process.pid)) ended: \(how); another daemon makes a new mount\(rest)"
            )
        }
        again(after: pause)
    }

    private func again(after pause: Duration) {
        var pause = pause
        while !isStopping {
            if pause > .zero, poll(readable: [keeper.stopEvent.rawValue], timeout: pause)[0] { return }
            if begin() { return }
            pause = Self.longPause
        }
    }

    /// How a process ended, if that is known in a moment.
    private func exit(of child: DaemonChild) -> ChildProcess.Exit? {
        let limit: Duration = isStopping ? .seconds(2) : .milliseconds(5)
        let deadline = MonotonicTime.now + limit
        while true {
            if let exit = exit(of: child.process) { return exit }
            guard MonotonicTime.now < deadline else {
                ending.append(child.process)
                return nil
            }
            POSIX.pause(.microseconds(200))
        }
    }

    private func exit(of process: ChildProcess) -> ChildProcess.Exit? {
        if CurrentProcess.isInit {
            return keeper.state.withLock { $0.pointee.exits.removeValue(forKey: process.pid) }
        }
        return process.exitIfEnded()
    }

    private func reapEnding() { ending.removeAll { exit(of: $0) != nil } }

    // MARK: - Upgrade

    private func upgrade(_ request: consuming UpgradeRequest) {
        let path = request.binary.isEmpty ? (keeper.options.arguments.first ?? program) : request.binary
        logger.info("asked to replace the daemon by \(path)")
        let answer: String
        do {
            let gap = try replaceDaemon(by: path)
            answer = "ok \(gap)"
        } catch {
            logger.error("the daemon was not replaced: \(error.reason)")
            answer = "error \(error.reason)"
        }
        request.answer(answer)
    }

    /// Replaces a daemon that wants another role by one of the same program.
    private func replaceIfAsked() {
        guard let reason = replacementReason, child != nil, !isStopping else { return }
        replacementReason = nil
        do throws(UpgradeFailure) {
            let gap = try replaceDaemon(by: program)
            logger.info("\(reason): the daemon was replaced, requests waited for \(gap) ms")
        } catch {
            logger.error("\(reason): the daemon was not replaced: \(error.reason)")
        }
    }

    private struct UpgradeFailure: Error {
        let reason: String
    }

    /// Replaces the daemon and returns for how many milliseconds nobody answered.
    ///
    /// Invariant: the old daemon is told only when the new one understands the session.
    private func replaceDaemon(by path: String) throws(UpgradeFailure) -> Int64 {
        guard let old = child, session.isWhole else {
            throw UpgradeFailure(reason: "there is none that serves")
        }
        let new: DaemonChild
        do throws(Errno) {
            new = try start(path)
        } catch {
            throw UpgradeFailure(reason: "cannot start \(path): \(error)")
        }
        var isOldGone = false
        let standby = MonotonicTime.now + Self.standbyLimit
        while new.stage < .standby {
            let ready = poll(
                readable: isOldGone ? [new.descriptor] : [new.descriptor, old.descriptor],
                timeout: .milliseconds(100)
            )
            if !isOldGone, ready[1], !hear(old) { isOldGone = true }
            let isGone = ready[0] && !hear(new, isCandidate: true)
            if isGone || new.failure != nil || MonotonicTime.now > standby || isStopping || !session.isWhole {
                new.process.send(signal: Signal.kill.rawValue)
                let exit = exit(of: new)
                if isOldGone { bury(old) }
                throw UpgradeFailure(
                    reason: new.failure.map { "\($0)" }
                        ?? (isGone
                            ? "\(path) ended: \(exit.map { "\($0)" } ?? "")" : "\(path) does not answer")
                )
            }
        }
        let begun = MonotonicTime.now
        silentSince = begun
        if !isOldGone { end(old) }
        if exit(of: old) == nil { logger.debug("a thread of the old daemon still waits for its mount") }
        child = new
        replacementReason = nil
        go(new)
        let limit = MonotonicTime.now + Self.serveLimit
        while new.stage < .serving {
            let isReady = poll(readable: [new.descriptor], timeout: .milliseconds(100))[0]
            if isReady, !hear(new, isCandidate: true) {
                bury(new)
                throw UpgradeFailure(
                    reason: "\(path) ended before it served" + (new.failure.map { ": \($0)" } ?? "")
                        + "; the program before goes on"
                )
            }
            stopIfAsked(new)
            if MonotonicTime.now > limit { new.process.send(signal: Signal.kill.rawValue) }
        }
        program = path
        return (MonotonicTime.now - begun).milliseconds
    }

    /// Asks a daemon to stop, once, when all is to stop: one that begins takes the mount away as soon as it can.
    private func stopIfAsked(_ child: DaemonChild) {
        guard isStopping, !isStopTold else { return }
        isStopTold = true
        child.process.send(signal: Signal.terminate.rawValue)
    }

    /// Has a daemon hand over, and hears it to its end.
    private func end(_ old: DaemonChild) {
        old.send(.handOver)
        let limit = MonotonicTime.now + Self.handOverLimit
        while true {
            if poll(readable: [old.descriptor], timeout: .milliseconds(100))[0], !hear(old) { return }
            if MonotonicTime.now > limit { old.process.send(signal: Signal.kill.rawValue) }
        }
    }
}

extension Duration {
    /// Whole milliseconds.
    fileprivate var milliseconds: Int64 { nanoseconds / 1_000_000 }
}
