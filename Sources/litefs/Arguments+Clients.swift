/// The flags of `litefs export`.
struct ExportArguments: Equatable {
    /// `-url`: the node's HTTP address.
    var url = NodeClient.defaultURL

    /// `-name`: the database's name.
    var name = ""

    /// The file to write.
    var path = ""
}

/// The flags of `litefs run`.
struct RunArguments: Equatable {
    /// `-url`: the node's HTTP address.
    var url = NodeClient.defaultURL

    /// `-if-candidate`: whether the command runs only on a node that may be the primary.
    var ifCandidate = false

    /// `-v`: whether it is said what is done.
    var isVerbose = false

    /// The command and its arguments.
    var command: [String] = []
}

/// The flags of `litefs status`.
struct StatusArguments: Equatable {
    /// `-url`: the nodes' HTTP addresses, in the order of the command line.
    var urls = [NodeClient.defaultURL]

    /// `-watch`: whether it goes on, once a second.
    var watches = false

    /// `-json`: whether the nodes' own JSON is printed, a line each.
    var isJSON = false
}

/// The flags of `litefs check-config`.
struct CheckConfigArguments: Equatable {
    /// `-config`: the configuration file; empty to search for it.
    var configPath = ""

    /// The opposite of `-no-expand-env`.
    var expandsEnvironment = true
}

/// The flags of `litefs upgrade`.
struct UpgradeArguments: Equatable {
    /// `-config`: the configuration file; empty to search for it.
    var configPath = ""

    /// The opposite of `-no-expand-env`.
    var expandsEnvironment = true

    /// `-binary`: the program of the new daemon; empty for the one with which the node was started, as it is on disk now.
    var binary = ""
}

// Commands that ask a node, or none at all.
extension Arguments {
    static func parseExport(_ arguments: [String]) throws(ArgumentFailure) -> ParsedCommand {
        var result = ExportArguments()
        var flags = FlagReader(arguments[...], of: "export")
        while let flag = try flags.next() {
            switch flag.name {
            case "url": result.url = try flags.value(of: flag)
            case "name": result.name = try flags.value(of: flag)
            case "h", "help": return .help(Usage.export)
            default: throw flags.unknown(flag)
            }
        }
        guard let path = flags.rest.first else { return .help(Usage.export) }
        guard flags.rest.count == 1 else {
            throw ArgumentFailure(message: "too many arguments", hint: flags.hint, exitCode: 1)
        }
        guard !result.name.isEmpty else {
            throw ArgumentFailure(
                message: "database name required",
                hint: "write -name and the name that the database has on the mount",
                exitCode: 1
            )
        }
        result.path = path
        return .export(result)
    }

    static func parseRun(_ arguments: [String]) throws(ArgumentFailure) -> ParsedCommand {
        let (own, command) = try split(arguments)
        var result = RunArguments()
        var flags = FlagReader(own, of: "run")
        while let flag = try flags.next() {
            switch flag.name {
            case "url": result.url = try flags.value(of: flag)
            case "if-candidate": result.ifCandidate = try flag.bool()
            case "v": result.isVerbose = try flag.bool()
            case "promote", "with-halt-lock-on":
                throw ArgumentFailure(
                    message: "litefs run -\(flag.name): not built yet",
                    hint: "with a static lease run it on the primary, for example with -if-candidate",
                    exitCode: 1
                )
            case "h", "help": return .help(Usage.run)
            default: throw flags.unknown(flag)
            }
        }
        guard flags.rest.isEmpty else { throw flags.tooManyForExec }
        guard let command else {
            throw ArgumentFailure(
                message: "no subcommand specified",
                hint: "write -- and the program to run after the flags",
                exitCode: 1
            )
        }
        result.command = command
        return .run(result)
    }

    static func parseStatus(_ arguments: [String]) throws(ArgumentFailure) -> ParsedCommand {
        var result = StatusArguments()
        var urls: [String] = []
        var flags = FlagReader(arguments[...], of: "status")
        while let flag = try flags.next() {
            switch flag.name {
            case "url": urls.append(try flags.value(of: flag))
            case "watch": result.watches = try flag.bool()
            case "json": result.isJSON = try flag.bool()
            case "h", "help": return .help(Usage.status)
            default: throw flags.unknown(flag)
            }
        }
        guard flags.rest.isEmpty else {
            throw ArgumentFailure(
                message: "too many arguments",
                hint: "name each node with -url; " + flags.hint,
                exitCode: 2
            )
        }
        if !urls.isEmpty { result.urls = urls }
        return .status(result)
    }

    static func parseCheckConfig(_ arguments: [String]) throws(ArgumentFailure) -> ParsedCommand {
        var result = CheckConfigArguments()
        var flags = FlagReader(arguments[...], of: "check-config")
        while let flag = try flags.next() {
            switch flag.name {
            case "config": result.configPath = try flags.value(of: flag)
            case "no-expand-env": result.expandsEnvironment = try !flag.bool()
            case "h", "help": return .help(Usage.checkConfig)
            default: throw flags.unknown(flag)
            }
        }
        guard flags.rest.count <= 1 else {
            throw ArgumentFailure(message: "too many arguments", hint: flags.hint, exitCode: 2)
        }
        if let path = flags.rest.first { result.configPath = path }
        return .checkConfig(result)
    }

    static func parseUpgrade(_ arguments: [String]) throws(ArgumentFailure) -> ParsedCommand {
        var result = UpgradeArguments()
        var flags = FlagReader(arguments[...], of: "upgrade")
        while let flag = try flags.next() {
            switch flag.name {
            case "config": result.configPath = try flags.value(of: flag)
            case "no-expand-env": result.expandsEnvironment = try !flag.bool()
            case "binary": result.binary = try flags.value(of: flag)
            case "h", "help": return .help(Usage.upgrade)
            default: throw flags.unknown(flag)
            }
        }
        guard flags.rest.isEmpty else {
            throw ArgumentFailure(message: "too many arguments", hint: flags.hint, exitCode: 2)
        }
        return .upgrade(result)
    }
}
