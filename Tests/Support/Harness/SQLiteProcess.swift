import Glibc
import POSIX

/// A process with connections to databases that does what it is told, a request at a time: `workload serve`.
///
/// So a test can hold locks and transactions open in several processes, and kill any of them at any moment, while it has no
/// database of a mount open itself.
///
/// One thread.
package final class SQLiteProcess {
    /// What a request came to.
    package struct Answer: Equatable, Sendable, CustomStringConvertible {
        /// The first rows, columns joined by `|`.
        package var rows: [String] = []
        /// The extended result code.
        package var code: Int32 = 0
        /// Whether the connection is in a transaction now.
        package var isInTransaction = false
        /// Number and hash of all rows, and SQLite's message.
        package var rest = ""

        package var description: String {
            "\(code)\(isInTransaction ? " in transaction" : "") \(rest) \(rows)"
        }
    }

    /// The folder that `$DIR` means in requests and answers.
    package let folder: String
    private let program: Program
    private let input: FileDescriptor
    private let output: FileDescriptor
    private var received: [UInt8] = []

    /// Starts the process.
    ///
    /// - Parameters:
    ///   - folder: What `$DIR` means.
    ///   - pipes: A path for its pipes and messages; endings are added.
    /// - Throws: When the system refuses.
    package init(folder: String, pipes: String) throws {
        self.folder = folder
        for end in [".in", ".out"] {
            try Files.unlink(pipes + end, ifExists: true)
            guard mkfifo(pipes + end, 0o600) == 0 else { throw Errno.last }
        }
        input = try FileDescriptor.open(pipes + ".in", .readWrite)
        output = try FileDescriptor.open(pipes + ".out", .readWrite)
        program = try Program(
            [try Binary.path("workload"), "serve", folder],
            output: pipes + ".out",
            errors: pipes + ".err",
            input: pipes + ".in"
        )
    }

    deinit { try? kill() }

    package var pid: Int32 { program.pid }

    /// Sends a request: `CONNECTION VERB TEXT`, on one line.
    package func send(_ request: String) throws {
        precondition(!request.contains("\n"), "a request is one line")
        try Array((request + "\n").utf8)
            .withUnsafeBytes { bytes throws in try input.append(bytes) }
    }

    /// Waits for the answer to the request that was sent last.
    package func receive(within limit: Duration = .seconds(60)) throws -> Answer {
        let deadline = MonotonicTime.now + limit
        while true {
            if let answer = try takeAnswer(waiting: .milliseconds(100)) { return answer }
            try check(
                program.exit == nil,
                "process \(pid) lives; it ended: \(String(describing: program.exit))"
            )
            guard .now < deadline else { throw Timeout(what: "an answer\n\(program.threads)", limit: limit) }
        }
    }

    /// The answer, if it came; looks for it for a moment.
    package func takeAnswer(waiting time: Duration) throws -> Answer? {
        if let answer = parsed() { return answer }
        guard poll(readable: [output.rawValue], timeout: time)[0] else { return nil }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = read(output.rawValue, &bytes, bytes.count)
        guard count >= 0 else { throw Errno.last }
        received += bytes[..<count]
        return parsed()
    }

    /// Ends it with SIGKILL.
    package func kill() throws { try program.kill() }

    private func parsed() -> Answer? {
        guard received.last == UInt8(ascii: "\n") else { return nil }
        let lines = String(decoding: received, as: UTF8.self).split(separator: "\n")
        guard let last = lines.last, last.hasPrefix("done ") else { return nil }
        received = []
        let words = last.split(separator: " ", maxSplits: 3)
        return Answer(
            rows: lines.dropLast().map { String($0.dropFirst(4)) },
            code: words.count > 1 ? Int32(words[1]) ?? -1 : -1,
            isInTransaction: words.count > 2 && words[2] == "0",
            rest: words.count > 3 ? String(words[3]) : ""
        )
    }
}
