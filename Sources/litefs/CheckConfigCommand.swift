import Config
import Logging

/// `litefs check-config`: reads the settings as `litefs mount` would, and says what would come of them.
struct CheckConfigCommand {
    private let arguments: CheckConfigArguments

    init(_ arguments: CheckConfigArguments) {
        self.arguments = arguments
    }

    /// Runs and gives the exit code: 2 when the settings cannot be used.
    func run() -> Int32 {
        do throws(ConfigError) {
            let settings = try Settings(
                path: arguments.configPath,
                expandsEnvironment: arguments.expandsEnvironment
            )
            for warning in settings.warnings { StandardOutput.line("warning: \(warning)") }
            let config = settings.loaded.config
            StandardOutput.line(
                """
                \(settings.loaded.path) can be used: this node is \(Self.role(config))
                databases at \(config.fuse.dir), data in \(config.data.dir), HTTP at \(config.http.addr)
                """
            )
            return 0
        } catch {
            StandardError.report("\(error)")
            return 2
        }
    }

    private static func role(_ config: Config) -> String {
        guard config.lease.type == "static" else {
            return "one of a cluster with lease.type \(config.lease.type)"
        }
        return config.lease.candidate
            ? "the primary, reached by replicas at \(config.lease.advertiseURL)"
            : "a replica of \(config.lease.hostname) at \(config.lease.advertiseURL)"
    }
}
