import JSON
import Logging
import POSIX

/// `litefs status`: shows what nodes say about themselves and their databases.
struct StatusCommand {
    private let arguments: StatusArguments

    init(_ arguments: StatusArguments) {
        self.arguments = arguments
    }

    /// Runs and gives the exit code: 0 when all nodes answered and nothing is wrong with any database.
    func run() -> Int32 {
        while true {
            let (lines, isFine) = look()
            // The cursor goes home and what is below it is cleared, so that nothing flickers.
            let prefix = arguments.watches && CurrentProcess.isTerminal(1) ? "\u{1B}[H\u{1B}[J" : ""
            StandardOutput.line(prefix + lines.joined(separator: "\n"))
            if !arguments.watches { return isFine ? 0 : 1 }
            pause(.seconds(1))
        }
    }

    private func look() -> (lines: [String], isFine: Bool) {
        var lines: [String] = []
        var isFine = true
        for (index, url) in arguments.urls.enumerated() {
            if index > 0, !arguments.isJSON { lines.append("") }
            do throws(NodeClientError) {
                let (document, text) = try NodeClient(url).info()
                let table = StatusTable(url: url, document)
                if arguments.isJSON {
                    lines.append(text.hasSuffix("\n") ? String(text.dropLast()) : text)
                } else {
                    lines += table.lines
                }
                if !table.isWell { isFine = false }
            } catch {
                StandardError.report("\(error)")
                isFine = false
            }
        }
        return (lines, isFine)
    }
}
