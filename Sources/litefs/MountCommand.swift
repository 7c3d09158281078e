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
        let settings: Settings
        do throws(ConfigError) {
            settings = try Settings(
                path: arguments.configPath,
                expandsEnvironment: arguments.expandsEnvironment,
                change: apply
            )
        } catch {
            StandardError.report("\(error)")
            return 2
        }
        let config = settings.loaded.config
        let logger = Logger(
            level: config.log.debug ? .debug : .info,
            format: config.log.format == "json" ? .json : .text,
            timestamps: config.log.timestamp
        )
        do {
            if let link = try SupervisorLink.ofThisProcess() {
                return try runDaemon(signals, config, link, logger)
            }
            StandardOutput.line(Version.text)
            if arguments.tracing { logger.warning("-tracing is not built yet, so it has no effect yet") }
            for warning in settings.warnings { logger.warning(warning) }
            if CurrentProcess.environment(Self.variable) == "off" {
                return try runDaemon(signals, config, nil, logger)
            }
            return try runSupervisor(signals, config, logger)
        } catch let error as FaultPlanError {
            StandardError.report("\(error)")
            return 2
        } catch {
            StandardError.report("cannot start: \(error)")
            return 1
        }
    }

    /// `off`: one process alone, whose mount goes with it.
    private static let variable = "LITEFS_SUPERVISOR"

    /// Starts a daemon, and another one when it ends, and runs the commands under `exec`.
    private func runSupervisor(
        _ signals: consuming SignalWaiter,
        _ config: Config,
        _ logger: Logger
    ) throws -> Int32 {
        let keeper = try DaemonKeeper(
            DaemonKeeper.Options(
                arguments: [try Files.realPath("/proc/self/exe")] + CommandLine.arguments.dropFirst(),
                dataDirectory: config.data.dir,
                mountFolder: config.fuse.dir
            ),
            logger: logger
        )
        var options = Supervisor.Options()
        options.exec = config.exec
        options.isCandidate = config.lease.candidate
        options.exitsOnError = config.exitOnError
        options.reaped = { keeper.reaped($0, $1) }
        // The daemon watches its own steps, and there are several.
        options.stopLimit = .seconds(60)
        return try Supervisor(signals: signals, options: options, logger: logger)
            .run { parts in
                try keeper.start(parts)
            }
    }

    /// Runs a node in this process.
    private func runDaemon(
        _ signals: consuming SignalWaiter,
        _ config: Config,
        _ link: SupervisorLink?,
        _ logger: Logger
    ) throws -> Int32 {
        if let text = CurrentProcess.environment(FaultPlan.variable), !text.isEmpty {
            Faults.arm(try FaultPlan(text)) { logger.warning($0) }
            logger.warning("\(FaultPlan.variable) is set: this node is made to fail")
        }
        var options = Supervisor.Options()
        options.exec = link == nil ? config.exec : []
        options.isCandidate = config.lease.candidate
        options.exitsOnError = config.exitOnError
        options.link = link
        let node = Node(config: config, keepsMounts: arguments.skipsUnmount, link: link, logger: logger)
        return try Supervisor(signals: signals, options: options, logger: logger)
            .run { parts in
                try node.start(parts)
            }
    }

    /// Says which file was found, and applies the flags to the settings.
    private func apply(_ loaded: inout LoadedConfig) {
        if loaded.isFromSearch, !SupervisorLink.isDaemon {
            StandardOutput.line("config file read from \(loaded.path)")
        }
        if let command = arguments.execCommand { loaded.replaceExec(with: command) }
        if arguments.debug { loaded.config.log.debug = true }
        if arguments.fuseDebug { loaded.config.fuse.debug = true }
    }
}
