import POSIX
import Testing

/// A program that was built with the tests, running in a folder of its own with its output in files.
final class Program {
    /// Why a test cannot go on.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let folder: TemporaryFolder
    private let child: ChildProcess
    private var exit: ChildProcess.Exit?

    /// Starts `name` with `arguments`.
    ///
    /// - Parameters:
    ///   - name: The executable target.
    ///   - arguments: Its arguments.
    ///   - wrapper: Words before it, such as those of a program that runs it elsewhere.
    ///   - environment: Variables that are set for it.
    ///   - folder: Where it runs.
    /// - Throws: When it cannot be started.
    init(
        _ name: String,
        _ arguments: [String],
        wrapper: [String] = [],
        environment: [String: String] = [:],
        in folder: TemporaryFolder
    ) throws {
        self.folder = folder
        let own = try Files.realPath("/proc/self/exe")
        let binary = own.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/" + name
        let script = #"cd "$1"; shift; exec "$@" >out 2>err"#
        child = try ChildProcess(
            ["sh", "-c", script, "sh", folder.path] + wrapper + [binary] + arguments,
            environment: environment
        )
    }

    deinit {
        if exit == nil {
            child.send(signal: Signal.kill.rawValue)
            _ = child.waitForExit()
        }
    }

    /// What it wrote on standard output.
    var output: String { text("out") }

    /// What it wrote on standard error.
    var errors: String { text("err") }

    /// The content of a file in its folder; empty when there is none.
    func text(_ file: String) -> String {
        String(decoding: (try? Files.read(folder.path + "/" + file)) ?? [], as: UTF8.self)
    }

    /// The lines that it wrote on standard output.
    var lines: [String] { output.split(separator: "\n").map(String.init) }

    func send(_ signal: Signal) {
        child.send(signal: signal.rawValue)
    }

    /// Waits until a file in its folder contains `text`.
    func expect(_ text: String, in file: String = "out", within limit: Duration = .seconds(20)) throws {
        try until("\(file) contains \"\(text)\"", within: limit) { self.text(file).contains(text) }
    }

    /// Waits for its end.
    func ending(within limit: Duration = .seconds(20)) throws -> ChildProcess.Exit {
        try until("the end", within: limit) {
            if exit == nil { exit = child.exitIfEnded() }
            return exit != nil
        }
        return try #require(exit)
    }

    private func until(_ what: String, within limit: Duration, _ condition: () -> Bool) throws {
        let deadline = MonotonicTime.now + limit
        while !condition() {
            guard MonotonicTime.now < deadline else {
                throw Failure(description: "waited in vain for \(what)\nout:\n\(output)\nerr:\n\(errors)")
            }
            pause(.milliseconds(2))
        }
    }
}

/// A folder of its own for one test, removed with it.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = "/tmp/litefs-daemon-\(UInt64.random(in: 0 ..< .max))"
        try Files.makeDirectory(path)
    }

    deinit {
        try? Files.removeTree(path)
    }

    /// Writes a file into it.
    func write(_ name: String, _ text: String) throws {
        try Files.replace(path + "/" + name, with: Array(text.utf8))
    }
}
