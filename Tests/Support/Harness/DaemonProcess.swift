import CSQLite
import Glibc
import HTTP
import JSON
import LTX
import POSIX
import Synchronization

/// A node: its folder, and the `litefs` process that runs there, if one does.
package final class DaemonProcess: Sendable {
    /// How far a start is waited for.
    package enum Stage {
        /// The process runs.
        case running
        /// The mount is there.
        case mounted
        /// The node is ready for the application.
        case ready
    }

    /// What stands in its configuration file.
    package let settings: NodeSettings
    private let program = Mutex<Program?>(nil)
    private let runStart = Mutex(0)
    private let client = HTTPClient()

    package init(_ settings: NodeSettings) throws {
        self.settings = settings
        try Files.makeDirectories(settings.folder)
    }

    /// The mount.
    package var mount: String { settings.mountFolder }
    /// Where its log is collected over all runs.
    package var logPath: String { settings.folder + "/log" }
    /// What it has logged so far.
    package var log: String { text(of: logPath) }
    /// What the current run has logged so far.
    package var runLog: String { String(log.utf8.dropFirst(runStart.withLock { $0 })) ?? "" }
    /// The running process; nil before the first start.
    package var current: Program? { program.withLock { $0 } }

    /// The daemon's process, which the one that was started supervises, or is; nil while there is none.
    package var daemonPID: Int32? {
        guard let current, current.exit == nil else { return nil }
        let threads = (try? Files.list("/proc/\(current.pid)/task")) ?? []
        let children = threads.flatMap { thread in
            text(of: "/proc/\(current.pid)/task/\(thread.name)/children").split(separator: " ")
                .compactMap { Int32($0) }
        }
        let daemon = children.first {
            text(of: "/proc/\($0)/environ").contains("LITEFS_DAEMON_OF_SUPERVISOR")
        }
        if daemon != nil { return daemon }
        let isAlone = text(of: "/proc/\(current.pid)/environ").contains("LITEFS_SUPERVISOR=off")
        return isAlone ? current.pid : nil
    }

    /// The path of a name on the mount.
    package func path(_ name: String) -> String { mount + "/" + name }

    // MARK: - Life

    /// Writes the configuration and starts the process, with more environment variables for this run.
    package func start(until stage: Stage = .ready, environment: [String: String] = [:]) throws {
        let config = settings.folder + "/litefs.yml"
        try Files.replace(config, with: Array(settings.text(with: environment).utf8))
        let binary = try Binary.path("litefs")
        runStart.withLock { $0 = text(of: logPath).utf8.count }
        var variables = settings.environment.merging(environment) { $1 }
        // Whoever kills the daemon at a fault point, or watches what it writes, means the one process that he started.
        let isMeantAlone =
            variables["LITEFS_FAULTS"]?.contains("kill") == true || variables["LD_PRELOAD"] != nil
        if isMeantAlone, variables["LITEFS_SUPERVISOR"] == nil { variables["LITEFS_SUPERVISOR"] = "off" }
        let started = try Program(
            (settings.namespace?.entering ?? [])
                + [binary, "mount", "-config", config] + settings.arguments,
            output: logPath,
            environment: variables
        )
        program.withLock { $0 = started }
        try wait(for: stage)
    }

    /// Waits until the node has come so far.
    package func wait(for stage: Stage, within limit: Duration = .seconds(30)) throws {
        try eventually("\(settings.name) is \(stage); log:\n\(log.suffix(3000))", within: limit) {
            if let exit = current?.exit {
                throw Ended(name: settings.name, exit: exit, log: String(log.suffix(3000)))
            }
            switch stage {
            case .running:
                return (try? Files.realPath("/proc/\(current?.pid ?? 0)/exe"))?.hasSuffix("/litefs") ?? false
            case .mounted:
                // A mount alone may be that of a run that was killed.
                return isMounted && runLog.contains("LiteFS mounted to: ")
            case .ready:
                return isMounted && runLog.contains("connected to cluster, ready")
            }
        }
    }

    /// Whether its file system is mounted.
    package var isMounted: Bool { TestFolder.mounts(below: mount).contains(mount) }

    /// Ends it with SIGKILL.
    ///
    /// A process that waits for its own mount does not end: that is a failure, and the mount is then ended by force.
    package func kill() throws {
        guard let current else { return }
        let daemon = daemonPID
        current.send(SIGKILL)
        do {
            _ = try current.waitForExit(within: .seconds(3))
            if let daemon {
                try eventually("the daemon ends with its supervisor", within: .seconds(3)) { isGone(daemon) }
            }
        } catch {
            let threads = current.threads
            umount2(mount, Int32(MNT_FORCE))
            _ = try current.waitForExit(within: .seconds(3))
            throw Finding(
                "\(settings.name) does not end after SIGKILL, it waits for its own mount:\n\(threads)"
            )
        }
    }

    /// Whether nothing of a process is left but its exit code.
    private func isGone(_ pid: Int32) -> Bool {
        guard let tasks = try? Files.list("/proc/\(pid)/task") else { return true }
        return tasks.count <= 1 && text(of: "/proc/\(pid)/status").contains("State:\tZ")
    }

    /// Ends it with SIGTERM and expects exit code 0 and no mount.
    package func stop(within limit: Duration = .seconds(10)) throws {
        guard let current, current.exit == nil else { return }
        current.send(SIGTERM)
        let exit = try current.waitForExit(within: limit)
        try check(exit == .code(0), "\(settings.name) ends well; log:\n\(log.suffix(3000))")
        try check(!isMounted, "\(settings.name) takes its mount away")
    }

    /// Waits for the end of the process that was started last.
    package func waitForExit(within limit: Duration = .seconds(10)) throws -> ChildProcess.Exit {
        try required(current, "the process was started").waitForExit(within: limit)
    }

    /// Takes a mount away whose process was killed.
    package func removeDeadMount() {
        while isMounted, umount2(mount, Int32(MNT_DETACH)) == 0 {}
    }

    // MARK: - Questions

    /// The URL of a route.
    package func url(_ path: String) -> String { "http://\(settings.host):\(settings.port)\(path)" }

    /// Asks its HTTP server.
    package func get(_ path: String, method: String = "GET") throws -> HTTPClient.Response {
        try request(client, method, path)
    }

    /// Asks it from where it runs, so that it answers also while nothing else reaches it.
    private func request(
        _ client: HTTPClient,
        _ method: String,
        _ path: String
    ) throws -> HTTPClient.Response {
        let url = url(path)
        guard let namespace = settings.namespace else { return try client.request(method, url) }
        return try namespace.run { try client.request(method, url) }
    }

    /// The answer of `/info`.
    package func info() throws -> JSONValue {
        try JSONValue.parse(try get("/info").body)
    }

    /// The sum of a metric over all its labels; nil when there is none.
    package func metric(_ name: String) throws -> Double? {
        let lines = String(decoding: try get("/metrics").body, as: UTF8.self).split(separator: "\n")
        let values = lines.filter { $0.hasPrefix(name + " ") || $0.hasPrefix(name + "{") }
            .compactMap { line in line.split(separator: " ").last.flatMap { Double($0) } }
        return values.isEmpty ? nil : values.reduce(0, +)
    }

    /// The bytes of a database as `/export` gives them.
    package func export(_ name: String) throws -> [UInt8] {
        let response = try request(HTTPClient(limits: .large), "GET", "/export?name=" + name)
        try check(response.status == 200, "\(String(decoding: response.body.prefix(500), as: UTF8.self))")
        return response.body
    }

    /// A database's position as its special file says.
    package func position(_ name: String) throws -> Position {
        let content = try Files.read(path(name + "-pos"))
        return try required(
            Position(String(decoding: content.dropLast(), as: UTF8.self)),
            "\(String(decoding: content, as: UTF8.self))"
        )
    }

    /// Opens a database on the mount.
    package func open(
        _ name: String,
        flags: Int32 = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
    ) throws -> SQLiteConnection { try SQLiteConnection(path(name), flags: flags) }

    /// Runs the `sqlite3` program on a database of the mount; throws when it says anything on its error output.
    @discardableResult
    package func sqlite3(
        _ name: String,
        _ sql: String,
        within limit: Duration = .seconds(60)
    ) throws -> String {
        let script = ".bail on\n.timeout 10000\n" + sql + "\n"
        let outcome = try Outcome.of(
            ["sqlite3", "-batch", path(name)],
            input: script,
            in: settings.folder,
            within: limit
        )
        guard outcome.exit == .code(0), outcome.errors.isEmpty else {
            throw ProgramFailure(node: settings.name, sql: sql, text: "\(outcome.exit) \(outcome.errors)")
        }
        return outcome.output.hasSuffix("\n") ? String(outcome.output.dropLast()) : outcome.output
    }
}

/// A daemon ended that should run.
package struct Ended: Error, CustomStringConvertible {
    package let name: String
    package let exit: ChildProcess.Exit
    package let log: String

    package var description: String { "\(name) ended with \(exit); log:\n\(log)" }
}

/// The `sqlite3` program failed.
package struct ProgramFailure: Error, CustomStringConvertible {
    package let node: String
    package let sql: String
    package let text: String

    package var description: String { "sqlite3 on \(node): \(sql.prefix(300)): \(text)" }
}

extension HTTPClient.Limits {
    /// For exports.
    package static var large: HTTPClient.Limits {
        var limits = HTTPClient.Limits()
        limits.responseBody = 2 << 30
        limits.request = .seconds(120)
        limits.stall = .seconds(30)
        return limits
    }
}

/// Where the built programs are.
package enum Binary {
    /// The path of a program beside the tests; for `litefs`, LITEFS_BINARY says otherwise.
    package static func path(_ name: String) throws -> String {
        if name == "litefs", let set = getenv("LITEFS_BINARY") { return String(cString: set) }
        let program = try Files.realPath(CommandLine.arguments[0])
        let maps = text(of: "/proc/self/maps").split(separator: "\n")
            .compactMap { line in
                line.split(separator: " ").last.map(String.init)
            }
        for file in [program] + maps where file.contains(".build/") {
            var folder = file[...]
            while let slash = folder.lastIndex(of: "/") {
                folder = folder[..<slash]
                if Files.exists(folder + "/" + name), !folder.hasSuffix(".build") {
                    return folder + "/" + name
                }
            }
        }
        throw FileError("find the program", name, .noEntry)
    }
}
