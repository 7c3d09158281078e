import POSIX

/// Processes that commit to one database at once: this program again, with other arguments.
enum Writers {
    private static let word = "--writer"

    /// Whether the arguments are those of a writer.
    static func isOne(_ arguments: [String]) -> Bool { arguments.first == word }

    /// Commits as the arguments say: `--writer PATH COUNT`.
    static func run(_ arguments: [String]) -> Int32 {
        guard arguments.count == 3, let count = Int(arguments[2]) else { return 2 }
        do {
            let connection = try Connection(arguments[1])
            try connection.execute("PRAGMA busy_timeout = 60000; PRAGMA synchronous = NORMAL")
            let insert = try connection.prepare("INSERT INTO t(text) VALUES ('\(hundredBytes)')")
            for _ in 0..<count { try insert.number() }
            return 0
        } catch {
            return 1
        }
    }

    /// Commits a second of all processes together, from the start of the first to the end of the last.
    static func rate(processes: Int, commits: Int, in path: String) throws -> Double {
        let program = try Files.realPath("/proc/self/exe")
        var isFine = true
        let time = try seconds {
            let writers = try (0..<processes)
                .map { _ in try ChildProcess([program, word, path, "\(commits)"]) }
            for writer in writers where writer.waitForExit() != .code(0) { isFine = false }
        }
        guard isFine else { throw BenchmarkError("a writer of \(path) failed") }
        return Double(processes * commits) / time
    }
}
