import POSIX

/// A `sqlite3` program that runs a script again and again until it is told to stop, or its folder is gone.
final class ReaderProcess {
    private let folder: TemporaryFolder
    private let name: String
    private let process: ChildProcess
    private var exit: ChildProcess.Exit?

    /// Starts the reader, which stops at the first error of the script.
    ///
    /// The name distinguishes its files in the folder.
    init(_ folder: TemporaryFolder, name: String, database: String, script: String) throws {
        self.folder = folder
        self.name = name
        try folder.write(name + ".sql", Array(script.utf8))
        let loop = """
            cd "$1" && : > $2.out && : > $2.err
            while [ -e $2.sql ] && [ ! -e $2.stop ]; do sqlite3 -bail "$3" < $2.sql >> $2.out 2>> $2.err || exit 1; done
            """
        process = try ChildProcess(["sh", "-c", loop, "sh", folder.path, name, database])
    }

    /// Waits until the reader has written something.
    func waitForOutput() throws {
        let deadline = MonotonicTime.now + .seconds(30)
        while (try? Files.status(folder.file(name + ".out")).size) ?? 0 == 0 {
            guard MonotonicTime.now < deadline else { throw Errno.timedOut }
            pause(.milliseconds(1))
        }
    }

    /// Lets the present run be the last one.
    func stopAfterThisRun() throws {
        try folder.write(name + ".stop", [])
    }

    /// Whether it has ended.
    var hasEnded: Bool {
        if exit == nil { exit = process.exitIfEnded() }
        return exit != nil
    }

    /// Waits for the end of the present run.
    ///
    /// - Returns: all lines that it wrote, and all errors.
    func stop() throws -> (lines: [Substring], errors: String, exit: ChildProcess.Exit) {
        try stopAfterThisRun()
        let exit = exit ?? process.waitForExit()
        let lines = try folder.text(name + ".out").split(separator: "\n")
        return (lines, try folder.text(name + ".err"), exit)
    }
}

/// Runs one `sqlite3` program to its end and gives its output, errors included.
func sqlite(_ folder: TemporaryFolder, _ database: String, _ sql: String) throws -> String {
    let output = "sqlite-\(UInt64.random(in: 0 ... .max)).out"
    let process = try ChildProcess(
        ["sh", "-c", #"sqlite3 "$1" "$2" > "$3" 2>&1"#, "sh", database, sql, folder.file(output)]
    )
    _ = process.waitForExit()
    return try folder.text(output)
}
