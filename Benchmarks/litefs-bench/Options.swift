/// What the command line says.
struct Options {
    /// The daemon's binary.
    var binary = ""
    /// An empty folder to work in; somebody else removes it.
    var folder = ""
    /// A folder of another file system to measure instead of a mount of litefs; nil for litefs.
    var against: String?
    /// The primary's `fuse.passthrough`.
    var passthrough = "auto"
    /// Names of the scenarios to run; empty for all.
    var scenarios: [String] = []
    /// Smaller databases and fewer rounds.
    var isQuick = false
    /// Where to write the results as JSON.
    var jsonPath: String?
    /// Where to write the shares of native speed as a picture (SVG).
    var plotPath: String?

    /// The one of two targets that is meant: logs pass through the mount, or do not.
    func target(passing: Double, intercepted: Double) -> Double {
        passthrough == "off" ? intercepted : passing
    }

    /// Rounds of which medians are taken.
    var rounds: Int { isQuick ? 5 : 7 }

    /// A number of rows or commits: a fifth of it when quick.
    func scaled(_ count: Int) -> Int { isQuick ? count / 5 : count }

    static let usage = """
        usage: litefs-bench --litefs BINARY --dir FOLDER [--quick] [--passthrough auto|on|off] [--scenario NAME]... [--against FOLDER]
                            [--json FILE] [--plot FILE]
        scenarios: \(Scenario.all.map(\.name).joined(separator: " "))
        """

    init(_ arguments: [String]) throws(BenchmarkError) {
        var rest = arguments[...]
        while let option = rest.popFirst() {
            switch option {
            case "--quick": isQuick = true
            case "--litefs": binary = try Self.value(of: option, &rest)
            case "--dir": folder = try Self.value(of: option, &rest)
            case "--passthrough": passthrough = try Self.value(of: option, &rest)
            case "--against": against = try Self.value(of: option, &rest)
            case "--json": jsonPath = try Self.value(of: option, &rest)
            case "--plot": plotPath = try Self.value(of: option, &rest)
            case "--scenario":
                let name = try Self.value(of: option, &rest)
                guard Scenario.all.contains(where: { $0.name == name }) else {
                    throw BenchmarkError("there is no scenario \(name)\n\(Self.usage)")
                }
                scenarios.append(name)
            default: throw BenchmarkError("unknown option \(option)\n\(Self.usage)")
            }
        }
        guard !binary.isEmpty, !folder.isEmpty else { throw BenchmarkError(Self.usage) }
    }

    private static func value(
        of option: String,
        _ rest: inout ArraySlice<String>
    ) throws(BenchmarkError) -> String {
        guard let value = rest.popFirst() else { throw BenchmarkError("\(option) needs a value\n\(usage)") }
        return value
    }
}
