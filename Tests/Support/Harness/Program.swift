import Glibc
import POSIX
import Synchronization

/// A child process whose output goes to a file.
///
/// It is not ended with this value: whoever starts it ends it.
package final class Program: Sendable {
    /// The file with its standard output and errors.
    package let outputPath: String
    private let child: ChildProcess
    private let known = Mutex<ChildProcess.Exit?>(nil)

    /// Starts a program; its output is added to the file.
    ///
    /// - Parameters:
    ///   - arguments: The program, looked up in PATH, and its arguments.
    ///   - output: The file for standard output, and for errors unless they have their own.
    ///   - errors: The file for standard errors.
    ///   - input: The file for standard input.
    ///   - environment: Variables beside those of this process.
    /// - Throws: When the system refuses.
    package init(
        _ arguments: [String],
        output: String,
        errors: String? = nil,
        input: String = "/dev/null",
        environment: [String: String] = [:]
    ) throws {
        outputPath = output
        let script = "exec <\"$1\" >>\"$2\" 2>>\"$3\"; shift 3; exec \"$@\""
        child = try ChildProcess(
            ["/bin/sh", "-c", script, "sh", input, output, errors ?? output] + arguments,
            environment: environment
        )
    }

    package var pid: Int32 { child.pid }

    /// How it ended; nil while it runs.
    package var exit: ChildProcess.Exit? {
        known.withLock { known in
            if known == nil { known = child.exitIfEnded() }
            return known
        }
    }

    /// Sends a signal, unless it ended.
    package func send(_ signal: Int32) {
        known.withLock { known in
            if known == nil { known = child.exitIfEnded() }
            if known == nil { child.send(signal: signal) }
        }
    }

    /// Waits for its end.
    package func waitForExit(within limit: Duration = .seconds(12)) throws -> ChildProcess.Exit {
        var result: ChildProcess.Exit?
        try eventually("end of process \(pid)\n\(output.suffix(2000))", within: limit) {
            result = exit
            return result != nil
        }
        guard let result else { throw Timeout(what: "end of process \(pid)", limit: limit) }
        return result
    }

    /// Ends it with SIGKILL and waits for that.
    package func kill() throws {
        send(SIGKILL)
        _ = try waitForExit()
    }

    /// What each of its threads does, for somebody who wonders why it does not end.
    package var threads: String {
        ((try? Files.list("/proc/\(pid)/task")) ?? [])
            .map { entry in
                let folder = "/proc/\(pid)/task/" + entry.name
                let stack = text(of: folder + "/stack").split(separator: "\n").prefix(8)
                    .map { line in
                        line.split(separator: " ").last.map(String.init) ?? ""
                    }
                return text(of: folder + "/comm").filter { $0 != "\n" } + ": "
                    + stack.joined(separator: " < ")
            }
            .joined(separator: "\n")
    }

    /// What it has written so far.
    package var output: String { text(of: outputPath) }
}

/// A text file's content; empty when it cannot be read.
package func text(of path: String) -> String {
    String(decoding: (try? Files.read(path, limit: 256 << 20)) ?? [], as: UTF8.self)
}

/// How a program ended, and what it wrote.
package struct Outcome {
    package let exit: ChildProcess.Exit
    package let output: String
    package let errors: String

    /// Runs a program to its end.
    ///
    /// - Parameters:
    ///   - arguments: The program and its arguments.
    ///   - input: What it reads.
    ///   - folder: Where its files lie meanwhile.
    ///   - limit: The longest time; then it is killed.
    /// - Returns: How it ended, and what it wrote.
    /// - Throws: When it cannot be started, or takes too long.
    package static func of(
        _ arguments: [String],
        input: String = "",
        in folder: String,
        within limit: Duration = .seconds(60)
    ) throws -> Outcome {
        let base = folder + "/run-" + String(UInt64.random(in: 0 ... .max), radix: 36)
        defer { for end in [".in", ".out", ".err"] { try? Files.unlink(base + end, ifExists: true) } }
        try FileDescriptor.open(base + ".in", [.writeOnly, .create]).write(Array(input.utf8), at: 0)
        let program = try Program(
            arguments,
            output: base + ".out",
            errors: base + ".err",
            input: base + ".in"
        )
        do {
            let exit = try program.waitForExit(within: limit)
            return Outcome(exit: exit, output: program.output, errors: text(of: base + ".err"))
        } catch {
            program.send(SIGKILL)
            throw error
        }
    }
}
