import POSIX

/// Judges what settings mean together.
///
/// The order of the first checks is LiteFS's.
public enum ConfigValidation {
    /// How many bytes Linux takes in a path.
    private static let pathLimit = 4_095

    /// Checks settings and the place where they are to be used.
    ///
    /// - Parameters:
    ///   - loaded: The settings, with everything from the command line applied.
    ///   - hostname: The value of HOSTNAME that was used to read the file.
    ///   - systemHostname: The name the system gives the machine; nil when it is not known.
    ///   - isInCluster: Whether the environment says where a Kubernetes API server is.
    /// - Returns: What the operator should know, one line each.
    /// - Throws: `ConfigError.invalid` with every problem, or `ConfigError.notBuilt`.
    public static func check(
        _ loaded: LoadedConfig,
        hostname: String,
        systemHostname: String? = nil,
        isInCluster: Bool = false
    ) throws(ConfigError) -> [String] {
        try check(loaded, hostname: hostname, systemHostname: systemHostname, isInCluster: isInCluster) {
            try? Files.realPath($0)
        }
    }

    /// The same, with the file system given by `realPath`.
    static func check(
        _ loaded: LoadedConfig,
        hostname: String,
        systemHostname: String? = nil,
        isInCluster: Bool = false,
        realPath: (String) -> String?
    ) throws(ConfigError) -> [String] {
        let lease = StaticLeaseCheck.run(
            loaded.config.lease,
            listening: loaded.config.http.addr,
            hostname: hostname,
            systemHostname: systemHostname
        )
        var problems = directories(loaded, realPath: realPath)
        problems += leaseKind(loaded)
        problems += lease.problems.map { located($0, loaded) }
        let kubernetes = KubernetesLeaseCheck.run(
            loaded.config,
            hostname: hostname,
            isInCluster: isInCluster
        )
        problems += kubernetes.problems.map { located($0, loaded) }
        problems += commands(loaded)
        problems += sections(loaded)
        guard problems.isEmpty else { throw .invalid(problems) }
        if loaded.config.lease.type == "consul" {
            throw .notBuilt(
                problem(
                    loaded,
                    "lease.type",
                    "lease type 'consul' is not built yet",
                    "use 'static', with candidate: true on one node and false on all others"
                )
            )
        }
        return (lease.warnings + kubernetes.warnings).map { located($0, loaded).description }
    }

    private static func problem(
        _ loaded: LoadedConfig,
        _ key: String,
        _ message: String,
        _ remedy: String
    ) -> ConfigProblem {
        ConfigProblem(line: loaded.line(of: key), key: key, message: message, remedy: remedy)
    }

    private static func located(_ problem: ConfigProblem, _ loaded: LoadedConfig) -> ConfigProblem {
        let line = problem.key.flatMap { loaded.line(of: $0) }
        return ConfigProblem(line: line, key: problem.key, message: problem.message, remedy: problem.remedy)
    }

    // MARK: Folders

    private static func directories(_ loaded: LoadedConfig, realPath: (String) -> String?) -> [ConfigProblem]
    {
        let fuse = loaded.config.fuse.dir
        let data = loaded.config.data.dir
        guard !fuse.isEmpty else {
            return [
                problem(
                    loaded,
                    "fuse.dir",
                    "fuse directory required",
                    "write where to mount, such as /litefs"
                )
            ]
        }
        guard !data.isEmpty else {
            let remedy = "write where to keep the data, such as /var/lib/litefs"
            return [problem(loaded, "data.dir", "data directory required", remedy)]
        }
        for (key, path) in [("fuse.dir", fuse), ("data.dir", data)] where path.utf8.count > pathLimit {
            return [problem(loaded, key, "\(key) is longer than \(pathLimit) bytes", "choose a shorter path")]
        }
        let fuseTarget = DirectoryNesting.resolve(fuse, realPath: realPath)
        let dataTarget = DirectoryNesting.resolve(data, realPath: realPath)
        let paths = shown("fuse.dir", fuse, fuseTarget) + " and " + shown("data.dir", data, dataTarget)
        let remedy = "choose two folders side by side, such as /litefs and /var/lib/litefs"
        let message: String
        switch DirectoryNesting.relation(fuseTarget, dataTarget) {
        case .apart: return []
        case .same: message = "fuse directory and data directory cannot be the same path: \(paths)"
        case .firstInsideSecond: message = "fuse directory cannot be inside the data directory: \(paths)"
        case .secondInsideFirst: message = "data directory cannot be inside the fuse directory: \(paths)"
        }
        return [problem(loaded, "fuse.dir", message, remedy)]
    }

    private static func shown(_ key: String, _ path: String, _ target: String) -> String {
        path == target ? "\(key) is \(quoted(path))" : "\(key) is \(quoted(path)), which is \(quoted(target))"
    }

    // MARK: Lease

    private static func leaseKind(_ loaded: LoadedConfig) -> [ConfigProblem] {
        let lease = loaded.config.lease
        var problems: [ConfigProblem] = []
        if !["static", "kubernetes", "consul"].contains(lease.type) {
            problems.append(
                problem(
                    loaded,
                    "lease.type",
                    "invalid lease type, must be either 'consul' or 'static', got: '\(cut(lease.type))'",
                    "write lease: {type: static} and set lease.candidate, or lease: {type: kubernetes} for a primary that may change"
                )
            )
        }
        if lease.candidate && !lease.databases.isEmpty {
            problems.append(
                problem(
                    loaded,
                    "lease.databases",
                    "cannot specify a database replication filter on candidate nodes",
                    "remove lease.databases, or set lease.candidate to false if this node is a replica"
                )
            )
        }
        return problems
    }

    // MARK: Commands and the rest

    private static func commands(_ loaded: LoadedConfig) -> [ConfigProblem] {
        var problems: [ConfigProblem] = []
        for (index, command) in loaded.config.exec.enumerated() {
            let key = loaded.line(of: "exec[\(index)].cmd") == nil ? "exec" : "exec[\(index)].cmd"
            do {
                let program = try command.words()[0]
                if isAssignment(program) {
                    throw ShellWords.Failure(
                        description: "\(quoted(program)) sets a variable, which only a shell does; "
                            + "write env \(cut(command.cmd))"
                    )
                }
            } catch {
                problems.append(
                    ConfigProblem(
                        line: loaded.line(of: key),
                        key: key,
                        message: "cannot parse exec command: \(error)",
                        remedy: "the command is \(quoted(command.cmd))"
                    )
                )
            }
        }
        return problems
    }

    /// Whether a shell would take the word as `NAME=value`.
    private static func isAssignment(_ word: String) -> Bool {
        guard let equals = word.firstIndex(of: "="), equals > word.startIndex else { return false }
        return word[..<equals].utf8
            .allSatisfy {
                ($0 >= 97 && $0 <= 122) || ($0 >= 65 && $0 <= 90) || ($0 >= 48 && $0 <= 57) || $0 == 95
            }
    }

    private static func sections(_ loaded: LoadedConfig) -> [ConfigProblem] {
        let config = loaded.config
        var problems: [ConfigProblem] = []
        if config.log.format != "text" && config.log.format != "json" {
            let message = "invalid log format: \(quoted(config.log.format))"
            problems.append(problem(loaded, "log.format", message, "write text or json"))
        }
        for (index, pattern) in config.data.local.enumerated() where pattern.contains("/") {
            let key = loaded.line(of: "data.local[\(index)]") == nil ? "data.local" : "data.local[\(index)]"
            let message = "\(key) is a path: \(quoted(pattern))"
            problems.append(
                problem(loaded, key, message, "write a pattern for names in fuse.dir itself, such as *.tmp")
            )
        }
        if !["auto", "on", "off"].contains(config.fuse.passthrough) {
            let message = "invalid fuse.passthrough: \(quoted(config.fuse.passthrough))"
            problems.append(problem(loaded, "fuse.passthrough", message, "write auto, on or off"))
        }
        if !["", "file", "litefs-cloud"].contains(config.backup.type) {
            let message = "invalid backup client type: \(quoted(config.backup.type))"
            problems.append(
                problem(loaded, "backup.type", message, "write file or litefs-cloud, or remove it")
            )
        }
        if !config.proxy.target.isEmpty && config.proxy.db.isEmpty {
            let remedy = "name the database whose TXID the cookie carries, or remove proxy.target"
            problems.append(problem(loaded, "proxy.db", "proxy database name required", remedy))
        }
        if !config.proxy.target.isEmpty && config.proxy.addr == nil {
            let remedy = "write where the proxy listens, such as :8080, or remove proxy.target"
            problems.append(problem(loaded, "proxy.addr", "proxy bind address required", remedy))
        }
        return problems
    }

    private static func cut(_ text: String) -> String { String(quoted(text).dropFirst().dropLast()) }
}
