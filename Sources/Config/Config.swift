/// The settings of a node: every key of `litefs.yml`, with the value that applies when the file does not set it.
///
/// A value is syntactically right, no more: `ConfigValidation` judges what the settings mean together.
public struct Config: Equatable, Sendable {
    /// `exit-on-error`: whether the process ends when the start fails; otherwise it stays for inspection.
    public var exitOnError = true

    /// `skip-sync`: whether the application starts without waiting for the primary.
    public var skipSync = false

    /// `strict-verify`: whether each commit is followed by a check of the whole database.
    public var strictVerify = false

    /// `exec`: the commands to run; all but the last one run to their end, one after the other.
    public var exec: [Command] = []

    /// `data`: where and how long the daemon keeps its files.
    public var data = Data()

    /// `fuse`: the mount.
    public var fuse = Fuse()

    /// `http`: the daemon's own server.
    public var http = HTTP()

    /// `proxy`: the reverse proxy before the application.
    public var proxy = Proxy()

    /// `lease`: who is the primary.
    public var lease = Lease()

    /// `backup`: where databases are backed up.
    public var backup = Backup()

    /// `log`: what the log looks like.
    public var log = Log()

    /// `tracing`: the trace log on disk.
    public var tracing = Tracing()

    /// Makes the settings of an empty file.
    public init() {}

    /// One entry of `exec`.
    public struct Command: Equatable, Sendable {
        /// `cmd`: the command line, split by `ShellWords`.
        public var cmd: String

        /// `if-candidate`: whether the command runs only on a node with `lease.candidate`.
        public var ifCandidate: Bool

        /// Makes a command.
        public init(cmd: String, ifCandidate: Bool = false) {
            self.cmd = cmd
            self.ifCandidate = ifCandidate
        }

        /// The program and its arguments.
        ///
        /// - Throws: `ShellWords.Failure` when the line cannot be split or names no program.
        public func words() throws(ShellWords.Failure) -> [String] {
            let words = try ShellWords.split(cmd)
            guard let program = words.first, !program.isEmpty else {
                throw ShellWords.Failure(
                    description: "the command is empty; write the program to run, or remove it"
                )
            }
            return words
        }
    }

    /// The section `data`.
    public struct Data: Equatable, Sendable {
        /// `data.dir`: the folder of databases and LTX files.
        public var dir = "/var/lib/litefs"

        /// `data.compress`: whether LTX files are compressed with LZ4.
        public var compress = true

        /// `data.retention`: how long LTX files are kept; zero or less keeps them for ever.
        public var retention = GoDuration.minutes(10)

        /// `data.retention-monitor-interval`: how often old LTX files are looked for; zero or less means never.
        public var retentionMonitorInterval = GoDuration.minutes(1)

        /// `data.local`: shell patterns of names that stay on this node and are never databases.
        public var local = ["*.tmp", "*-serving-copy", ".*-litestream"]
    }

    /// The section `fuse`.
    public struct Fuse: Equatable, Sendable {
        /// `fuse.dir`: where the file system is mounted.
        public var dir = "/litefs"

        /// `fuse.allow-other`: whether other users than the daemon's may use the mount.
        public var allowOther = false

        /// `fuse.passthrough`: whether logs and wal-indexes go past the daemon: `off`, `auto` (where that is possible) or `on` (it
        /// must be possible).
        public var passthrough = "auto"

        /// `fuse.debug`: whether every FUSE request is logged.
        public var debug = false
    }

    /// The section `http`.
    public struct HTTP: Equatable, Sendable {
        /// `http.addr`: where the server listens.
        public var addr = ListenAddress(host: "", port: 20_202)

        /// `http.snapshot-timeout`: how long a snapshot may take; zero means as long as `data.retention`.
        public var snapshotTimeout = GoDuration.zero
    }

    /// The section `backup`.
    public struct Backup: Equatable, Sendable {
        /// `backup.type`: empty (none), `file` or `litefs-cloud`.
        public var type = ""

        /// `backup.path`: the folder for type `file`.
        public var path = ""

        /// `backup.url`: the service for type `litefs-cloud`.
        public var url = "https://litefs.fly.io"

        /// `backup.cluster`: the cluster's name at the service.
        public var cluster = ""

        /// `backup.auth-token`: the secret for the service.
        public var authToken = ""
    }

    /// The section `log`.
    public struct Log: Equatable, Sendable {
        /// `log.format`: `text` or `json`.
        public var format = "text"

        /// `log.timestamp`: whether lines carry the time.
        public var timestamp = false

        /// `log.debug`: whether details are logged.
        public var debug = false
    }

    /// The section `tracing`.
    public struct Tracing: Equatable, Sendable {
        /// `tracing.enabled`: whether the trace log is written when `path` is set.
        public var enabled = true

        /// `tracing.path`: the file; empty for none.
        public var path = ""

        /// `tracing.max-size`: the size in MB at which a new file begins.
        public var maxSize = 64

        /// `tracing.max-count`: how many old files are kept.
        public var maxCount = 8

        /// `tracing.compress`: whether old files are compressed.
        public var compress = true
    }
}
