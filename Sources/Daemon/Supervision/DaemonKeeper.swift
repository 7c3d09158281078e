import Logging
import POSIX

/// What a supervisor does beside the commands under `exec`: it has a daemon run, and keeps what the next one needs.
///
/// Thread-safe; the work is that of one thread (`KeeperLoop`), which is the parent of all daemons: they are killed when it ends.
public final class DaemonKeeper: Sendable {
    /// What a supervisor knows of its daemons.
    public struct Options: Sendable {
        /// The arguments of the command line, with which each daemon is started; the first is the program's name.
        public var arguments: [String]
        /// The data directory.
        public var dataDirectory: String
        /// The folder of the mount.
        public var mountFolder: String

        /// Joins them.
        public init(arguments: [String], dataDirectory: String, mountFolder: String) {
            self.arguments = arguments
            self.dataDirectory = dataDirectory
            self.mountFolder = mountFolder
        }
    }

    /// What the loop and the main thread tell each other.
    struct State {
        /// What became of the first start: nil while it goes on, then an error or none.
        var outcome: Result<Void, StartError>?
        var isStopping = false
        /// What went wrong while the daemon stopped.
        var troubles: [String] = []
        /// How children ended that the main thread reaped, because this process is PID 1.
        var exits: [Int32: ChildProcess.Exit] = [:]
    }

    let state = Guarded(State())
    let stopEvent: EventCounter
    let options: Options
    let logger: Logger
    private let thread = Guarded<Thread?>(nil)

    /// A keeper without a daemon.
    public init(_ options: Options, logger: Logger) throws(Errno) {
        self.options = options
        self.logger = logger
        stopEvent = try EventCounter()
    }

    /// Starts a daemon and returns when it is ready; from then on there is always one.
    ///
    /// - Parameter parts: where it is noted that it must be stopped.
    /// - Throws: `StartError`.
    public func start(_ parts: Parts) throws {
        _ = try parts.start("start the daemon", undoing: "stop the daemon") {
            thread.withLock { $0.pointee = Thread("keeper") { KeeperLoop(self).run() } }
            return self
        } stop: {
            try $0.stop()
        }
        parts.stopRequest.onRequest { self.requestStop() }
        try parts.run("wait for the daemon") {
            let outcome = state.withLock { state in
                while state.pointee.outcome == nil { self.state.wait() }
                return state.pointee.outcome
            }
            try parts.stopRequest.check()
            try outcome?.get()
        }
    }

    /// Notes how a child of this process ended that the main thread reaped.
    public func reaped(_ pid: Int32, _ exit: ChildProcess.Exit) {
        state.withLock { state in
            if state.pointee.exits.count > 64 { state.pointee.exits.removeAll() }
            state.pointee.exits[pid] = exit
        }
        state.wakeAll()
    }

    private func requestStop() {
        state.withLock { $0.pointee.isStopping = true }
        stopEvent.signal()
    }

    private func stop() throws {
        requestStop()
        let thread = thread.withLock { thread in
            defer { thread.pointee = nil }
            return thread.pointee
        }
        thread?.join()
        let troubles = state.withLock { $0.pointee.troubles }
        if !troubles.isEmpty { throw StopTrouble(description: troubles.joined(separator: "; ")) }
    }
}

/// A daemon did not end well.
struct StopTrouble: Error, CustomStringConvertible {
    let description: String
}
