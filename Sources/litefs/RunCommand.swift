import JSON
import Logging
import POSIX

/// `litefs run`: runs a program in place of this one, if this node is one for it.
struct RunCommand {
    private let arguments: RunArguments

    init(_ arguments: RunArguments) {
        self.arguments = arguments
    }

    /// Runs; returns the exit code only when the program was not started.
    func run() -> Int32 {
        do {
            if arguments.ifCandidate {
                note("fetching node metadata")
                guard try NodeClient(arguments.url).info().document["candidate"]?.boolean == true else {
                    StandardError.line("node is not a candidate, skipping execution")
                    return 0
                }
            }
            note("running \(arguments.command.joined(separator: " "))")
            try CurrentProcess.replace(by: arguments.command)
        } catch let error as Errno {
            StandardError.report("cannot run \(arguments.command[0]): \(error)")
        } catch {
            StandardError.report("\(error)")
        }
        return 1
    }

    private func note(_ text: String) {
        if arguments.isVerbose { StandardError.line(text) }
    }
}
