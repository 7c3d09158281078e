import Config
import Daemon
import Faults
import Logging
import POSIX

/// `litefs mount`: reads the settings and runs a node.
struct MountCommand {
    private let arguments: MountArguments

    init(_ arguments: MountArguments) {
        self.arguments = arguments
    }

    /// Runs until the node ends and gives the exit code.
    func run(_ signals: consuming SignalWaiter) -> Int32 {
        let loaded: LoadedConfig
        let warnings: [String]
        do {
            (loaded, warnings) = try settings()
        } catch {
            StandardError.report("\(error)")
            return 2
        }
        StandardOutput.line(Version.text)
        let config = loaded.config
        let logger = Logger(
            level: config.log.debug ? .debug : .info,
            format: config.log.format == "json" ? .json : .text,
            timestamps: config.log.timestamp
        )
        for warning in warnings { logger.warning(warning) }
        if let text = CurrentProcess.environment(FaultPlan.variable), !text.isEmpty {
            do throws(FaultPlanError) {
                Faults.arm(try FaultPlan(text)) { logger.warning($0) }
            } catch {
                StandardError.report("\(error)")
                return 2
            }
            logger.warning("\(FaultPlan.variable) is set: this node is made to fail")
        }

        var options = Supervisor.Options()
        options.exec = config.exec
        options.isCandidate = config.lease.candidate
        options.exitsOnError = config.exitOnError
        let node = Node(config: config, keepsMounts: arguments.skipsUnmount, logger: logger)
        do {
            let supervisor = try Supervisor(signals: signals, options: options, logger: logger)
            return supervisor.run { parts in try node.start(parts) }
        } catch {
            StandardError.report("cannot start: \(error)")
            return 1
        }
    }

    /// The settings with the command line applied, and what the operator should know.
    private func settings() throws(ConfigError) -> (LoadedConfig, [String]) {
        let systemName = CurrentProcess.hostName
        if CurrentProcess.environment("HOSTNAME")?.isEmpty ?? true, let systemName {
            // The file is free to name it, and so are the commands that inherit it.
            try? CurrentProcess.setEnvironment("HOSTNAME", to: systemName)
        }
        let loader = ConfigLoader(
            homeDirectory: CurrentProcess.environment("HOME"),
            lookup: CurrentProcess.environment
        )
        var loaded = try loader.load(
            path: arguments.configPath,
            expandsEnvironment: arguments.expandsEnvironment
        )
        if loaded.isFromSearch { StandardOutput.line("config file read from \(loaded.path)") }
        if let command = arguments.execCommand { loaded.replaceExec(with: command) }
        if arguments.debug { loaded.config.log.debug = true }
        if arguments.fuseDebug { loaded.config.fuse.debug = true }
        var warnings = loaded.warnings
        if arguments.tracing { warnings.append("-tracing is not built yet, so it has no effect yet") }
        warnings += try ConfigValidation.check(
            loaded,
            hostname: CurrentProcess.environment("HOSTNAME") ?? "",
            systemHostname: systemName
        )
        return (loaded, warnings)
    }
}
