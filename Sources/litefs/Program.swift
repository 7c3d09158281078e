import Daemon
import Logging
import POSIX

/// The program: one command, one exit code.
enum Program {
    /// Runs the command line, given without the program's name.
    ///
    /// Called on the main thread, before any other is started.
    static func run(_ arguments: [String]) -> Int32 {
        switch Arguments.parse(arguments) {
        case .mount(let mount): return self.mount(mount)
        case .export(let arguments): return ExportCommand(arguments).run()
        case .run(let arguments): return RunCommand(arguments).run()
        case .status(let arguments): return StatusCommand(arguments).run()
        case .checkConfig(let arguments): return CheckConfigCommand(arguments).run()
        case .upgrade(let arguments): return UpgradeCommand(arguments).run()
        case .version: StandardOutput.line(Version.text)
        case .usage: return explain(Usage.program)
        case .help(let text): return explain(text)
        case .failure(let failure):
            let hint = failure.hint.isEmpty ? "" : "\n\(failure.hint)"
            StandardError.report(failure.message + hint)
            return failure.exitCode
        }
        return 0
    }

    private static func mount(_ arguments: MountArguments) -> Int32 {
        let signals: SignalWaiter
        do {
            signals = try SignalWaiter()
        } catch {
            StandardError.report("cannot receive signals: \(error)")
            return 1
        }
        return MountCommand(arguments).run(signals)
    }

    private static func explain(_ text: String) -> Int32 {
        StandardOutput.line(text.hasSuffix("\n") ? String(text.dropLast()) : text)
        return 2
    }
}
