import CShims
import Glibc

/// A child process with the parent's environment and standard streams.
public final class ChildProcess: Sendable {
    /// Its process id.
    public let pid: Int32

    /// The number that a descriptor which was handed over has in the child.
    public static let descriptorNumber: Int32 = 3

    /// How a child ended.
    public enum Exit: Equatable, Sendable, CustomStringConvertible {
        /// It returned this exit code.
        case code(Int32)
        /// This signal ended it.
        case signal(Int32)

        /// The end in words, such as `exit status 1` or `signal: SIGKILL`.
        public var description: String {
            switch self {
            case .code(let code): "exit status \(code)"
            case .signal(let number): "signal: \(Signal(rawValue: number))"
            }
        }
    }

    /// Starts `program`, or `arguments[0]`, looked up in PATH.
    ///
    /// Signals are unblocked and at their defaults in the child. It has the standard streams and, as `descriptorNumber`, a descriptor
    /// of the caller.
    public init(
        _ arguments: [String],
        environment: [String: String] = [:],
        program: String? = nil,
        descriptor: Int32? = nil
    ) throws(Errno) {
        precondition(!arguments.isEmpty, "a child needs a program")
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var variables: [UnsafeMutablePointer<CChar>?] = []
        guard var source = cshims_environment() else { throw .outOfMemory }
        while let entry = source.pointee {
            let text = String(cString: entry)
            let name = text.prefix { $0 != "=" }
            if environment[String(name)] == nil { variables.append(strdup(text)) }
            source += 1
        }
        for (name, value) in environment { variables.append(strdup(name + "=" + value)) }
        variables.append(nil)
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        words.append(nil)
        defer { for pointer in words + variables { free(pointer) } }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let descriptor {
            posix_spawn_file_actions_adddup2(&actions, descriptor, Self.descriptorNumber)
        }
        var pid: pid_t = 0
        let result = posix_spawnp(&pid, program ?? arguments[0], &actions, &attributes, words, variables)
        guard result == 0 else { throw Errno(rawValue: result) }
        self.pid = pid
    }

    /// Sends a signal; a child that is gone already is no error.
    public func send(signal: Int32) {
        _ = kill(pid, signal)
    }

    /// How it ended, or nil while it runs.
    ///
    /// After a result the process id may be used again by the kernel: call once.
    public func exitIfEnded() -> Exit? {
        var status: Int32 = 0
        let result = waitpid(pid, &status, WNOHANG)
        return result == pid ? Self.exit(status) : nil
    }

    /// Takes the status of any child that has ended, also of one that this process inherited as PID 1; nil for none.
    ///
    /// Where this is called, `exitIfEnded()` and `waitForExit()` must not be: the status is taken once.
    public static func reapAny() -> (pid: Int32, exit: Exit)? {
        var status: Int32 = 0
        let pid = waitpid(-1, &status, WNOHANG)
        return pid > 0 ? (pid, exit(status)) : nil
    }

    /// Waits for its end.
    public func waitForExit() -> Exit {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, Errno.last == .interrupted {}
        return Self.exit(status)
    }

    private static func exit(_ status: Int32) -> Exit {
        cshims_exited(status) != 0 ? .code(cshims_exit_status(status)) : .signal(cshims_term_signal(status))
    }
}
