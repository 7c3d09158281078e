/// Takes flags off a command line by the rules of Go's `flag` package.
///
/// One dash or two mean the same. A value follows after `=` or, unless the flag is a bool, as the next argument. The
/// first argument that is no flag ends the flags; so does `--`, which is dropped. A dash alone is no flag.
struct FlagReader {
    /// A flag as it was written.
    struct Flag: Equatable {
        /// The name without dashes.
        let name: String

        /// What follows the equals sign; nil without one.
        let inlineValue: String?

        /// The value of a bool flag, true when none is written.
        func bool() throws(ArgumentFailure) -> Bool {
            switch inlineValue {
            case nil, "1", "t", "T", "true", "TRUE", "True": return true
            case "0", "f", "F", "false", "FALSE", "False": return false
            case .some(let text):
                throw ArgumentFailure(
                    message: "invalid boolean value \(Self.quoted(text)) for -\(name): parse error",
                    hint: "write -\(name) or -\(name)=false",
                    exitCode: 2
                )
            }
        }

        private static func quoted(_ text: String) -> String {
            "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined() + "\""
        }
    }

    /// Where the flags are explained.
    let hint: String

    /// The arguments that were not taken yet.
    private(set) var rest: ArraySlice<String>

    /// Reads the arguments of a command.
    init(_ arguments: ArraySlice<String>, of command: String) {
        rest = arguments
        hint = "run 'litefs \(command) -h' for the flags"
    }

    /// The next flag; nil when no more follow, and then `rest` holds the other arguments.
    mutating func next() throws(ArgumentFailure) -> Flag? {
        guard let argument = rest.first, argument.hasPrefix("-"), argument != "-" else { return nil }
        rest.removeFirst()
        if argument == "--" { return nil }
        let text = argument.dropFirst(argument.hasPrefix("--") ? 2 : 1)
        guard let first = text.first, first != "-", first != "=" else {
            throw ArgumentFailure(message: "bad flag syntax: \(argument)", hint: hint, exitCode: 2)
        }
        guard let equals = text.firstIndex(of: "=") else { return Flag(name: String(text), inlineValue: nil) }
        return Flag(name: String(text[..<equals]), inlineValue: String(text[text.index(after: equals)...]))
    }

    /// The value of a flag that needs one: what follows the equals sign, or the next argument.
    mutating func value(of flag: Flag) throws(ArgumentFailure) -> String {
        if let value = flag.inlineValue { return value }
        guard let value = rest.popFirst() else {
            throw ArgumentFailure(
                message: "flag needs an argument: -\(flag.name)",
                hint: hint,
                exitCode: 2
            )
        }
        return value
    }

    /// The failure of a flag that the command does not have.
    func unknown(_ flag: Flag) -> ArgumentFailure {
        ArgumentFailure(message: "flag provided but not defined: -\(flag.name)", hint: hint, exitCode: 2)
    }

    /// The failure of words before `--`.
    var tooManyForExec: ArgumentFailure {
        ArgumentFailure(
            message: "too many arguments, specify a '--' to specify an exec command",
            hint: hint,
            exitCode: 2
        )
    }
}
