/// What the command line asks for.
enum ParsedCommand: Equatable {
    /// Run the daemon.
    case mount(MountArguments)

    /// Write a database to a file.
    case export(ExportArguments)

    /// Run a program, if this node is one for it.
    case run(RunArguments)

    /// Show what nodes say about themselves.
    case status(StatusArguments)

    /// Read the configuration file and say what is wrong with it.
    case checkConfig(CheckConfigArguments)

    /// Replace the daemon of a running node.
    case upgrade(UpgradeArguments)

    /// Print the version on standard output.
    case version

    /// Print `Usage.program` on standard output and exit with 2.
    case usage

    /// Print this explanation of a command on standard output and exit with 2.
    case help(String)

    /// Print `ERROR: ` and the message on standard error, the hint below it, and exit with the code.
    case failure(ArgumentFailure)
}

/// Why a command line cannot be obeyed.
struct ArgumentFailure: Error, Equatable {
    /// What is wrong, in LiteFS's words where it has any.
    var message: String

    /// What to do instead; empty for nothing.
    var hint = ""

    /// The exit code: 1 for a command that cannot run, 2 for flags that cannot be read.
    var exitCode: Int32
}

/// The flags of `litefs mount`.
struct MountArguments: Equatable {
    /// `-config`: the configuration file; empty to search for it.
    var configPath = ""

    /// The opposite of `-no-expand-env`: whether environment variables in the file are replaced.
    var expandsEnvironment = true

    /// `-skip-unmount`: whether a mount that an earlier run left behind stays.
    var skipsUnmount = false

    /// `-fuse.debug`: turns `fuse.debug` on.
    var fuseDebug = false

    /// `-debug`: turns `log.debug` on.
    var debug = false

    /// `-tracing`: whether the trace log goes to standard output.
    var tracing = false

    /// What follows `--` and replaces `exec`; nil without `--`.
    var exec: [String]?

    /// The command line that replaces `exec`: the words joined by blanks and split again like any `exec`, as in LiteFS.
    var execCommand: String? { exec?.joined(separator: " ") }
}

/// Reads the command line.
enum Arguments {
    /// Reads the arguments without the program's name.
    static func parse(_ arguments: [String]) -> ParsedCommand {
        guard let command = arguments.first, !command.isEmpty else { return .usage }
        let rest = Array(arguments.dropFirst())
        switch command {
        case "mount": return parseMount(rest)
        case "export": return parse { () throws(ArgumentFailure) in try parseExport(rest) }
        case "run": return parse { () throws(ArgumentFailure) in try parseRun(rest) }
        case "status": return parse { () throws(ArgumentFailure) in try parseStatus(rest) }
        case "check-config": return parse { () throws(ArgumentFailure) in try parseCheckConfig(rest) }
        case "upgrade": return parse { () throws(ArgumentFailure) in try parseUpgrade(rest) }
        case "version": return .version
        case "help": return .usage
        case "import":
            return .failure(
                ArgumentFailure(
                    message: "litefs \(command): not built yet",
                    hint:
                        "copy the file to a database's name on the primary's mount, or use SQLite's own .restore there",
                    exitCode: 1
                )
            )
        case _ where command.hasPrefix("-"): return .usage
        default: return .failure(ArgumentFailure(message: "litefs \(command): unknown command", exitCode: 1))
        }
    }

    private static func parse(
        _ body: () throws(ArgumentFailure) -> ParsedCommand
    ) -> ParsedCommand {
        do throws(ArgumentFailure) {
            return try body()
        } catch {
            return .failure(error)
        }
    }

    private static func parseMount(_ arguments: [String]) -> ParsedCommand {
        parse { () throws(ArgumentFailure) in
            let (own, exec) = try split(arguments)
            var result = MountArguments()
            result.exec = exec
            var flags = FlagReader(own, of: "mount")
            while let flag = try flags.next() {
                switch flag.name {
                case "config": result.configPath = try flags.value(of: flag)
                case "no-expand-env": result.expandsEnvironment = try !flag.bool()
                case "skip-unmount": result.skipsUnmount = try flag.bool()
                case "fuse.debug": result.fuseDebug = try flag.bool()
                case "debug": result.debug = try flag.bool()
                case "tracing": result.tracing = try flag.bool()
                case "h", "help": return .help(Usage.mount)
                default: throw flags.unknown(flag)
                }
            }
            guard flags.rest.isEmpty else { throw flags.tooManyForExec }
            return .mount(result)
        }
    }

    /// What stands before `--`, and the command after it; nil without `--`.
    static func split(
        _ arguments: [String]
    ) throws(ArgumentFailure) -> (own: ArraySlice<String>, exec: [String]?) {
        guard let separator = arguments.firstIndex(of: "--") else { return (arguments[...], nil) }
        let words = Array(arguments[(separator + 1)...])
        guard words.contains(where: { !$0.isEmpty }) else {
            throw ArgumentFailure(
                message: "no command after '--'",
                hint: "write the program to run after it, or leave it out",
                exitCode: 2
            )
        }
        return (arguments[..<separator], words)
    }
}
