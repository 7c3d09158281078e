import Config
import Daemon
import Logging
import POSIX

/// A node of two parts that say when they start and stop, and whose troubles are chosen on the command line.
///
/// Arguments: `start=ready|wait|fail|hang`, `stop=ready|fail|hang`, `limit=MILLISECONDS`, `replica`, `stay` (exit-on-error
/// is false), `exec=COMMAND`, `candidate-exec=COMMAND` (with if-candidate).
enum SupervisedNode {
    struct Trouble: Error, CustomStringConvertible {
        let description: String
    }

    static func run(_ arguments: [String]) -> Int32 {
        var options = Supervisor.Options()
        var (start, stop) = ("ready", "ready")
        for argument in arguments {
            let words = argument.split(separator: "=", maxSplits: 1).map(String.init)
            let value = words.count > 1 ? words[1] : ""
            switch words.first {
            case "start": start = value
            case "stop": stop = value
            case "limit": options.stopLimit = .milliseconds(Int(value) ?? 0)
            case "replica": options.isCandidate = false
            case "stay": options.exitsOnError = false
            case "exec": options.exec.append(Config.Command(cmd: value))
            case "candidate-exec": options.exec.append(Config.Command(cmd: value, ifCandidate: true))
            default:
                StandardError.report("unknown argument \(argument)")
                return 2
            }
        }
        let (starting, stopping) = (start, stop)
        do {
            let supervisor = try Supervisor(signals: SignalWaiter(), options: options, logger: Logger())
            return supervisor.run { parts in try self.start(parts, starting, stopping) }
        } catch {
            StandardError.report("\(error)")
            return 3
        }
    }

    private static func start(_ parts: Parts, _ starting: String, _ stopping: String) throws {
        _ = try parts.start("start part one", undoing: "stop part one") {
            StandardOutput.line("part one started")
        } stop: {
            StandardOutput.line("part one stopped")
        }
        _ = try parts.start("start part two", undoing: "stop part two") {
            StandardOutput.line("part two starting")
            switch starting {
            case "fail": throw Trouble(description: "no luck")
            case "hang": hang()
            default: break
            }
        } stop: {
            StandardOutput.line("part two stopping")
            switch stopping {
            case "fail": throw Trouble(description: "it clings")
            case "hang": hang()
            default: break
            }
        }
        if starting == "wait" {
            let never = try Readiness()
            try parts.run("hear from the primary") { try never.wait(orStop: parts.stopRequest) }
        }
        StandardOutput.line("ready")
    }

    private static func hang() {
        while true { pause(.seconds(60)) }
    }
}
