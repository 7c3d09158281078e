import Config
import POSIX

/// The settings of this node, read and checked.
struct Settings {
    /// What the file says.
    var loaded: LoadedConfig
    /// What the operator should know.
    var warnings: [String]

    /// Reads and checks the settings.
    ///
    /// - Parameters:
    ///   - path: the configuration file; empty to search for it.
    ///   - expandsEnvironment: whether environment variables in it are replaced.
    ///   - change: changes them before they are checked, as flags do.
    /// - Throws: `ConfigError`.
    init(
        path: String,
        expandsEnvironment: Bool,
        change: (inout LoadedConfig) -> Void = { _ in }
    ) throws(ConfigError) {
        let systemName = CurrentProcess.hostName
        if CurrentProcess.environment("HOSTNAME")?.isEmpty ?? true, let systemName {
            // The file is free to name it, and so are the commands that inherit it.
            try? CurrentProcess.setEnvironment("HOSTNAME", to: systemName)
        }
        let loader = ConfigLoader(
            homeDirectory: CurrentProcess.environment("HOME"),
            lookup: CurrentProcess.environment
        )
        loaded = try loader.load(path: path, expandsEnvironment: expandsEnvironment)
        change(&loaded)
        warnings = loaded.warnings
        warnings += try ConfigValidation.check(
            loaded,
            hostname: CurrentProcess.environment("HOSTNAME") ?? "",
            systemHostname: systemName,
            isInCluster: CurrentProcess.environment("KUBERNETES_SERVICE_HOST") != nil
        )
    }
}
