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
        let loaded = settings.loaded
        StandardOutput.line(Version.text)
        let config = loaded.config
        let logger = Logger(
            level: config.log.debug ? .debug : .info,
            format: config.log.format == "json" ? .json : .text,
            timestamps: config.log.timestamp
        )
        if arguments.tracing { logger.warning("-tracing is not built yet, so it has no effect yet") }
        for warning in settings.warnings { logger.warning(warning) }
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

    /// Says which file was found, and applies the flags to the settings.
    private func apply(_ loaded: inout LoadedConfig) {
        if loaded.isFromSearch { StandardOutput.line("config file read from \(loaded.path)") }
        if let command = arguments.execCommand { loaded.replaceExec(with: command) }
        if arguments.debug { loaded.config.log.debug = true }
        if arguments.fuseDebug { loaded.config.fuse.debug = true }
    }
}
