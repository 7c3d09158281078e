import Config
import Daemon
import Logging
import POSIX

/// `litefs upgrade`: has the supervisor of a running node replace its daemon.
struct UpgradeCommand {
    private let arguments: UpgradeArguments

    init(_ arguments: UpgradeArguments) {
        self.arguments = arguments
    }

    /// Runs and gives the exit code: 1 when the daemon was not replaced, 2 when the settings cannot be read.
    func run() -> Int32 {
        do {
            let settings = try Settings(
                path: arguments.configPath,
                expandsEnvironment: arguments.expandsEnvironment
            )
            // The supervisor looks for the program from its own folder.
            let binary = arguments.binary.isEmpty ? "" : try Files.realPath(arguments.binary)
            let gap = try UpgradeSocket.upgrade(
                dataDirectory: settings.loaded.config.data.dir,
                binary: binary
            )
            StandardOutput.line("the new daemon serves; requests waited for at most \(gap) ms")
            return 0
        } catch let error as ConfigError {
            StandardError.report("\(error)")
            return 2
        } catch let error as Errno {
            StandardError.report("cannot find \(arguments.binary): \(error)")
        } catch {
            StandardError.report("\(error)")
        }
        return 1
    }
}
