import POSIX

/// A daemon of its own, with its mount.
final class Node {
    /// Its name, and that of its folder.
    let name: String
    /// Where its mount is.
    let mount: String
    private let folder: String
    private let binary: String
    private var process: ChildProcess?

    /// Longest wait for something that has to happen.
    static let limit = Duration.seconds(120)

    /// Prepares a node; it does not run yet.
    init(
        _ name: String,
        in folder: String,
        binary: String,
        port: UInt16,
        primaryPort: UInt16,
        passthrough: String
    ) throws {
        self.name = name
        self.binary = binary
        self.folder = folder + "/" + name
        mount = self.folder + "/mount"
        try Files.makeDirectories(mount)
        try Files.makeDirectories(self.folder + "/data")
        let config = """
            fuse:
              dir: "\(mount)"
              passthrough: \(passthrough)
            data:
              dir: "\(self.folder)/data"
            http:
              addr: "127.0.0.1:\(port)"
            lease:
              type: "static"
              candidate: \(port == primaryPort)
              hostname: "primary"
              advertise-url: "http://127.0.0.1:\(primaryPort)"
              reconnect-delay: "100ms"

            """
        try Files.replace(self.folder + "/litefs.yml", with: Array(config.utf8))
    }

    /// Starts the daemon.
    ///
    /// The kernel ends it when this process ends in whatever way, so that no mount stays behind.
    func start() throws {
        let redirected = #"exec "$0" mount -config "$1" >>"$2" 2>&1"#
        process = try ChildProcess(
            ["setpriv", "--pdeathsig", "TERM", "sh", "-c", redirected, binary]
                + [folder + "/litefs.yml", folder + "/log"]
        )
    }

    /// Waits until the mount is there.
    func awaitMount() throws {
        try wait(for: "mount") { Files.exists(mount + "/.lag") }
    }

    /// The position of a database, as the mount shows it; nil when it has none.
    func position(of database: String) -> String? {
        (try? Files.read(mount + "/" + database + "-pos")).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Waits for a condition, asking every half millisecond.
    func wait(for what: String, _ condition: () -> Bool) throws {
        let deadline = MonotonicTime.now + Self.limit
        while !condition() {
            if let exit = process?.exitIfEnded() {
                process = nil
                throw BenchmarkError("\(name) ended (\(exit)):\n\(lastLines)")
            }
            guard MonotonicTime.now < deadline else {
                throw BenchmarkError("\(name): no \(what) after \(Self.limit):\n\(lastLines)")
            }
            pause(.microseconds(500))
        }
    }

    /// Ends the daemon; its data stays.
    func stop() { end(by: .terminate) }

    /// Kills the daemon; the next start takes its dead mount away.
    func kill() { end(by: .kill) }

    private func end(by signal: Signal) {
        guard let process else { return }
        process.send(signal: signal.rawValue)
        _ = process.waitForExit()
        self.process = nil
    }

    /// The daemon: the child of the supervisor that was started.
    private func daemonPID() throws -> Int32 {
        guard let process else { throw BenchmarkError("\(name) does not run") }
        for thread in try Files.list("/proc/\(process.pid)/task") {
            let path = "/proc/\(process.pid)/task/\(thread.name)/children"
            let children = String(decoding: (try? Files.read(path)) ?? [], as: UTF8.self)
            for child in children.split(separator: " ").compactMap({ Int32($0) }) {
                let environment = (try? Files.read("/proc/\(child)/environ")) ?? []
                if String(decoding: environment, as: UTF8.self).contains("LITEFS_DAEMON_OF_SUPERVISOR") {
                    return child
                }
            }
        }
        return process.pid
    }

    /// Processor time of the daemon so far, in seconds.
    func processorSeconds() throws -> Double {
        let text = String(decoding: try Files.read("/proc/\(try daemonPID())/stat"), as: UTF8.self)
        // After the name, which may hold spaces: state is field 3, utime 14, stime 15, in hundredths.
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            throw BenchmarkError("the kernel does not say the processor time of \(name)")
        }
        return (user + system) / 100
    }

    /// How many files of transactions it has of a database, with those that have no final name yet, or without.
    func recordCount(of database: String, isPublished: Bool = false) throws -> Int {
        try Files.list(folder + "/data/dbs/" + database + "/ltx")
            .count { !isPublished || $0.name.hasSuffix(".ltx") }
    }

    /// Removes what it recorded of a database, but not the database itself: it does not know then where that stands.
    ///
    /// It must not run.
    func forgetRecords(of database: String) throws {
        let folder = self.folder + "/data/dbs/" + database
        try Files.unlink(folder + "/checksums", ifExists: true)
        for file in try Files.list(folder + "/ltx") { try Files.unlink(folder + "/ltx/" + file.name) }
    }

    /// Removes what it stored.
    ///
    /// It must not run.
    func forget() throws {
        try Files.removeTree(folder + "/data")
        try Files.makeDirectories(folder + "/data")
    }

    /// Memory in KiB by its name in `/proc/PID/status`, for example `VmRSS`.
    func memory(_ field: String) throws -> Int {
        let status = String(decoding: try Files.read("/proc/\(try daemonPID())/status"), as: UTF8.self)
        for line in status.split(separator: "\n") where line.hasPrefix(field + ":") {
            if let number = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first {
                return Int(number) ?? 0
            }
        }
        throw BenchmarkError("the kernel does not say \(field) of \(name)")
    }

    private var lastLines: String {
        let log = (try? Files.read(folder + "/log")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        return log.split(separator: "\n").suffix(10).joined(separator: "\n")
    }
}
