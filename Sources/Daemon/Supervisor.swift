import Config
import Logging
import POSIX

/// The life of the process, on the main thread: starts a node, runs the commands under `exec`, waits for a signal or for
/// the last command to end, and stops the node.
///
/// A stop signal works at every moment: while the node starts, while a command runs, while it stops. The child gets every
/// signal that comes, and is waited for without a limit, because killing it could lose what it has not written yet. All
/// other waits have one.
public struct Supervisor: ~Copyable {
    /// How the process behaves.
    public struct Options: Sendable {
        /// The commands to run once the node is ready: all but the last one to their end, the last one in the background.
        public var exec: [Config.Command] = []
        /// Whether commands with `if-candidate` run.
        public var isCandidate = true
        /// Whether the process ends when the start fails; otherwise it stays as it is until a signal comes.
        public var exitsOnError = true
        /// The supervisor of this process: what is to be said is said to it, and by it.
        public var link: SupervisorLink?
        /// Hears of ended children that this process inherited as PID 1.
        public var reaped: (@Sendable (Int32, ChildProcess.Exit) -> Void)?
        /// How long one step may take once the node is to end.
        public var stopLimit: Duration = .seconds(10)

        /// The defaults.
        public init() {}
    }

    /// Why the node is being stopped.
    private enum Ending: Equatable {
        case signal
        case child(ChildProcess.Exit)
        case failure
    }

    private let signals: SignalWaiter
    private let options: Options
    private let logger: Logger
    private let parts: Parts
    private var exec: ExecSupervisor

    /// Makes a supervisor.
    ///
    /// - Parameters:
    ///   - signals: Made before the first thread of the process was started.
    ///   - options: How the process behaves.
    ///   - logger: For the log lines; the lines for scripts go to standard output, errors to standard error.
    /// - Throws: When the system refuses a descriptor.
    public init(signals: consuming SignalWaiter, options: Options, logger: Logger) throws(Errno) {
        parts = Parts(stopRequest: try StopRequest())
        self.signals = signals
        self.options = options
        self.logger = logger
        exec = ExecSupervisor(logger: logger, isCandidate: options.isCandidate, reaped: options.reaped)
    }

    /// Runs a node until it is to end.
    ///
    /// - Parameter start: Starts the parts of the node and returns when it is ready; called on another thread.
    /// - Returns: The exit code of the process.
    public consuming func run(_ start: @escaping @Sendable (Parts) throws -> Void) -> Int32 {
        let ending = live(start)
        let code = announce(ending)
        let failures = stopParts()
        for failure in failures {
            if let link = options.link {
                link.send(LinkMessage(.trouble, failure))
            } else {
                StandardError.report(failure)
            }
        }
        guard failures.isEmpty else { return code == 0 ? 1 : code }
        if ending != .failure { say("litefs shut down complete") }
        return code
    }

    /// Prints why the node ends and gives the exit code for it.
    private func announce(_ ending: Ending) -> Int32 {
        switch ending {
        case .signal:
            say("signal received, litefs shutting down")
            return 0
        case .child(.code(0)):
            StandardOutput.line("subprocess exited successfully, litefs shutting down")
            return 0
        case .child(.code(let code)):
            StandardOutput.line("subprocess exited with error code \(code), litefs shutting down")
            return code
        case .child(let exit):
            StandardOutput.line("subprocess exited with error, litefs shutting down: \(exit)")
            return 255
        case .failure:
            return 1
        }
    }

    private func say(_ line: String) {
        if options.link == nil { StandardOutput.line(line) }
    }

    private var isStopping: Bool { parts.stopRequest.isRequested }

    /// From the start to the moment when the node is to be stopped.
    private mutating func live(_ start: @escaping @Sendable (Parts) throws -> Void) -> Ending {
        do {
            try startParts(start)
            options.link?.send(LinkMessage(.ready))
            try runCommands()
        } catch .interrupted {
            return .signal
        } catch {
            report(error)
            guard !options.exitsOnError else { return .failure }
        }
        say("waiting for signal or subprocess to exit")
        // Without a command only a signal ends the node.
        while exec.isRunning || !(exec.hasExit || isStopping) { handle(signals.wait()) }
        guard let exit = exec.takeExit() else { return .signal }
        guard isStopping else { return .child(exit) }
        logger.info("exec process closed: \(exit)")
        return .signal
    }

    private func report(_ error: StartError) {
        guard let link = options.link, case .failed(let step, let reason) = error else {
            return StandardError.report("\(error)")
        }
        link.send(LinkMessage(.failed, step + "\0" + reason))
    }

    // MARK: The parts of the node

    private mutating func startParts(
        _ start: @escaping @Sendable (Parts) throws -> Void
    ) throws(StartError) {
        let parts = parts
        var stopDeadline: MonotonicTime?
        let work: Work<StartError?>
        do {
            work = try Work("start") {
                do {
                    try start(parts)
                    return nil
                } catch let error as StartError {
                    return error
                } catch {
                    return .failed(step: "start", reason: "\(error)")
                }
            }
        } catch {
            throw .failed(step: "start a thread", reason: "\(error)")
        }
        while true {
            let events = signals.wait(other: work.descriptor, until: stopDeadline)
            handle(events)
            if events.isReadable { break }
            if isStopping && stopDeadline == nil { stopDeadline = .now + options.stopLimit }
            if let stopDeadline, stopDeadline <= .now { abandon(parts.step) }
        }
        if let error = work.result() { throw error }
        try parts.stopRequest.check()
    }

    private mutating func stopParts() -> [String] {
        let parts = parts
        parts.stopRequest.request()
        let work: Work<[String]>
        do {
            work = try Work("stop") { parts.stopAll() }
        } catch {
            // Without a thread it works as well, only nobody watches the time.
            return parts.stopAll()
        }
        while true {
            let deadline = (parts.step?.begun ?? .now) + options.stopLimit
            let events = signals.wait(other: work.descriptor, until: deadline)
            handle(events)
            if events.isReadable { return work.result() }
            if let step = parts.step, step.begun + options.stopLimit <= .now { abandon(step) }
        }
    }

    /// Ends the process in the middle of a step that hangs.
    private func abandon(_ step: Parts.Step?) -> Never {
        let name = step?.name ?? "start"
        logger.error(
            "still trying to \(name) after \(options.stopLimit), ending the process anyway; "
                + "a mount that is left behind is replaced at the next start"
        )
        CurrentProcess.exitAtOnce(1)
    }

    // MARK: The commands under exec

    private mutating func runCommands() throws(StartError) {
        guard let last = options.exec.last else { return }
        for command in options.exec.dropLast() {
            try checkForSignal()
            do {
                guard try exec.start(command, announcement: "executing command") else { continue }
            } catch {
                throw .failed(step: "exec", reason: "sync cmd: cannot run command: \(error)")
            }
            while exec.isRunning { handle(signals.wait()) }
            let exit = exec.takeExit()
            try parts.stopRequest.check()
            if let exit, exit != .code(0) {
                let reason = "sync cmd: cannot run command: \(exit): \(command.cmd)"
                throw .failed(step: "exec", reason: reason)
            }
        }
        try checkForSignal()
        do {
            _ = try exec.start(last, announcement: "starting background subprocess")
        } catch {
            throw .failed(step: "exec", reason: "async cmd: cannot start command: \(error)")
        }
    }

    private mutating func checkForSignal() throws(StartError) {
        handle(signals.wait(until: .now))
        try parts.stopRequest.check()
    }

    private mutating func handle(_ events: SignalWaiter.Events) {
        for signal in events.stopSignals {
            let isFirst = !isStopping
            if isFirst { parts.stopRequest.request() }
            guard exec.isRunning else { continue }
            if isFirst { StandardOutput.line("sending signal to exec process") }
            exec.send(signal)
            if isFirst { StandardOutput.line("waiting for exec process to close") }
        }
        if events.childrenChanged { exec.collect() }
    }
}
