import Config
import Logging
import POSIX

/// The child processes of the node: the commands under `exec`, one at a time, and, as PID 1, orphans.
///
/// Belongs to the main thread. A child has the daemon's environment, standard streams and folder, and no process group of
/// its own; it is never killed and never restarted.
struct ExecSupervisor {
    private let logger: Logger
    private let isCandidate: Bool
    private let reapsOrphans: Bool
    private let reaped: (@Sendable (Int32, ChildProcess.Exit) -> Void)?
    private var child: ChildProcess?
    private var exit: ChildProcess.Exit?

    /// No child yet.
    ///
    /// - Parameters:
    ///   - logger: Hears of each command.
    ///   - isCandidate: Whether commands with `if-candidate` run.
    ///   - reapsOrphans: Whether this process is the one that inherits orphans.
    ///   - reaped: Hears of the ends of others.
    init(
        logger: Logger,
        isCandidate: Bool,
        reapsOrphans: Bool = CurrentProcess.isInit,
        reaped: (@Sendable (Int32, ChildProcess.Exit) -> Void)? = nil
    ) {
        self.reaped = reaped
        self.logger = logger
        self.isCandidate = isCandidate
        self.reapsOrphans = reapsOrphans
    }

    /// Whether a child was started whose end is not known yet.
    var isRunning: Bool { child != nil }

    /// Whether a child ended whose exit nobody took yet.
    var hasExit: Bool { exit != nil }

    /// Takes how the last child ended; nil while it runs, or when there was none.
    mutating func takeExit() -> ChildProcess.Exit? {
        defer { exit = nil }
        return exit
    }

    /// Starts a command, unless it is for candidates and this node is none.
    ///
    /// - Parameters:
    ///   - command: The command.
    ///   - announcement: The beginning of the log line.
    /// - Returns: Whether it was started.
    /// - Throws: The reason, when it cannot be parsed or started.
    mutating func start(_ command: Config.Command, announcement: String) throws(CommandError) -> Bool {
        precondition(child == nil && exit == nil, "one child at a time, and its exit is taken")
        let words: [String]
        do {
            words = try command.words()
        } catch {
            throw CommandError(reason: "cannot parse exec command: \(error)")
        }
        let text = "\(words[0]) [\(words.dropFirst().joined(separator: " "))]"
        guard isCandidate || !command.ifCandidate else {
            logger.info("node is not a candidate, skipping command execution: \(text)")
            return false
        }
        logger.info("\(announcement): \(text)")
        do {
            child = try ChildProcess(words)
        } catch {
            throw CommandError(reason: "exec: \"\(words[0])\": \(error)")
        }
        return true
    }

    /// Passes a signal on to the running child.
    func send(_ signal: Signal) {
        child?.send(signal: signal.rawValue)
    }

    /// Takes note of children that ended; call it after each SIGCHLD.
    mutating func collect() {
        if reapsOrphans {
            while let ended = ChildProcess.reapAny() {
                if ended.pid == child?.pid { finish(ended.exit) } else { reaped?(ended.pid, ended.exit) }
            }
        } else if let ended = child?.exitIfEnded() {
            finish(ended)
        }
    }

    private mutating func finish(_ exit: ChildProcess.Exit) {
        self.exit = exit
        child = nil
    }
}

/// Why a command could not be run.
struct CommandError: Error, CustomStringConvertible {
    let reason: String

    var description: String { reason }
}
