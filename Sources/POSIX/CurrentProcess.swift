import CShims
import Glibc

/// This process and its environment.
public enum CurrentProcess {
    /// Its process id, in its own PID namespace.
    public static var id: Int32 { getpid() }

    /// Whether it is the first process of its PID namespace, which inherits orphans and must wait for their ends.
    public static var isInit: Bool { getpid() == 1 }

    /// The name the system gives this machine; nil when it has none or is not UTF-8.
    public static var hostName: String? {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return nil }
        let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        guard let text = String(validating: bytes, as: UTF8.self), !text.isEmpty else { return nil }
        return text
    }

    /// The value of an environment variable; nil when it is not set.
    public static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// Sets an environment variable, for this process and the children it will start.
    ///
    /// Only before the first thread is started, because others may be reading the environment.
    public static func setEnvironment(_ name: String, to value: String) throws(Errno) {
        _ = try retrying { Int(setenv(name, value, 1)) }
    }

    /// The commit that was compiled in; nil for a build that names none.
    public static var buildCommit: String? {
        let commit = String(cString: cshims_build_commit())
        return commit.isEmpty ? nil : commit
    }

    /// Whether a descriptor is that of a terminal.
    public static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

    /// Has the kernel kill this process when the thread that started it ends; at once, if that is no longer the one that `parent` is.
    public static func dieWithParent(_ parent: Int32) {
        _ = cshims_die_with_parent()
        if getppid() != parent { exitAtOnce(1) }
    }

    /// Sends this process a signal.
    public static func raise(_ signal: Signal) { _ = kill(getpid(), signal.rawValue) }

    /// Processors that this process can use, from 1 to 8.
    public static let processorCount = min(max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))), 8)

    /// Process id of the parent.
    public static var parentID: Int32 { getppid() }

    /// Becomes another program, found by the search path; returns only to say why it could not.
    ///
    /// - Parameter arguments: its name and arguments; not empty.
    /// - Throws: `Errno`; this process goes on as it was.
    public static func replace(by arguments: [String]) throws(Errno) {
        guard let name = arguments.first else { throw .invalidArgument }
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        words.append(nil)
        execvp(name, &words)
        let error = Errno.last
        for word in words { free(word) }
        throw error
    }

    /// Ends the process in the ordinary way.
    public static func exit(_ code: Int32) -> Never {
        Glibc.exit(code)
    }

    /// Ends the process without running anything more in it, whatever its threads are doing.
    public static func exitAtOnce(_ code: Int32) -> Never {
        Glibc._exit(code)
    }
}
