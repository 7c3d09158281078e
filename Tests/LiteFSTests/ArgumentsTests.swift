import JSON
import Testing

@testable import litefs

@Suite struct ArgumentsTests {
    private func failure(_ arguments: [String]) -> ArgumentFailure? {
        guard case .failure(let failure) = Arguments.parse(arguments) else { return nil }
        return failure
    }

    private func mount(_ arguments: String...) throws -> MountArguments {
        guard case .mount(let result) = Arguments.parse(["mount"] + arguments) else {
            throw failure(["mount"] + arguments) ?? ArgumentFailure(message: "no mount", exitCode: 0)
        }
        return result
    }

    @Test(arguments: [
        [], [""], ["help"], ["help", "mount"], ["-h"], ["--help"], ["-version"], ["-"], ["--", "x"],
    ])
    func explainsItselfWithoutACommand(arguments: [String]) {
        #expect(Arguments.parse(arguments) == .usage)
    }

    @Test func knowsTheVersionCommand() {
        #expect(Arguments.parse(["version"]) == .version)
        #expect(Arguments.parse(["version", "x"]) == .version)
    }

    @Test(arguments: ["mounts", "Mount", "x"])
    func refusesAnUnknownCommand(name: String) {
        #expect(failure([name]) == ArgumentFailure(message: "litefs \(name): unknown command", exitCode: 1))
    }

    @Test func saysThatACommandIsNotBuilt() {
        #expect(failure(["import", "-x", "y"])?.message == "litefs import: not built yet")
        #expect(failure(["import"])?.exitCode == 1)
    }

    @Test func readsTheFlagsOfCommands() {
        #expect(
            Arguments.parse(["export", "-name", "a.db", "-url=http://x:1", "/b"])
                == .export(ExportArguments(url: "http://x:1", name: "a.db", path: "/b"))
        )
        #expect(
            Arguments.parse(["run", "-if-candidate", "-v", "--", "a", "-b"])
                == .run(RunArguments(ifCandidate: true, isVerbose: true, command: ["a", "-b"]))
        )
        #expect(
            Arguments.parse(["status", "-url", "a", "--url", "b", "-json"])
                == .status(StatusArguments(urls: ["a", "b"], isJSON: true))
        )
        #expect(Arguments.parse(["status", "-watch"]) == .status(StatusArguments(watches: true)))
        #expect(
            Arguments.parse(["check-config", "-no-expand-env", "x.yml"])
                == .checkConfig(CheckConfigArguments(configPath: "x.yml", expandsEnvironment: false))
        )
    }

    @Test(arguments: [
        (["export", "-name", "a", "b", "c"], "too many arguments", 1),
        (["export", "b"], "database name required", 1),
        (["run", "-if-candidate"], "no subcommand specified", 1),
        (["run", "x", "--", "y"], "too many arguments, specify a '--' to specify an exec command", 2),
        (["run", "--"], "no command after '--'", 2),
        (["run", "-promote", "--", "y"], "litefs run -promote: not built yet", 1),
        (["status", "x"], "too many arguments", 2),
        (["status", "-url"], "flag needs an argument: -url", 2),
        (["check-config", "-x"], "flag provided but not defined: -x", 2),
    ])
    func saysWhatIsWrongWithACommand(arguments: [String], message: String, code: Int32) {
        #expect(failure(arguments)?.message == message)
        #expect(failure(arguments)?.exitCode == code)
        #expect(failure(arguments)?.hint.isEmpty == false)
    }

    @Test(arguments: ["export", "run", "status", "check-config"])
    func explainsACommand(name: String) throws {
        guard case .help(let text) = Arguments.parse([name, "-h"]) else {
            Issue.record("no help for \(name)")
            return
        }
        #expect(text.hasPrefix("litefs \(name) ") && text.contains("Usage:"))
        #expect(Usage.program.contains(name))
    }

    @Test(arguments: [
        (Int64(0), "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_300_000, "1.2 MiB"),
        (200 << 20, "200 MiB"),
        (5 << 40, "5.0 TiB"), (5000 << 40, "5000 TiB"),
    ])
    func writesSizes(count: Int64, text: String) {
        #expect(StatusTable.bytes(count) == text)
    }

    @Test func aPrimaryWhoseLeaseEndedSaysSo() throws {
        let info =
            #"{"isPrimary": false, "leaseProblem": "the lease ended 3 s ago", "primary": {"hostname": ""}}"#
        let table = StatusTable(url: "http://x", try JSONValue.parse(Array(info.utf8), limit: 1 << 10))
        #expect(table.lines[1] == "primary that takes no writes: the lease ended 3 s ago")
        #expect(!table.isWell)
    }

    @Test func mountsWithDefaults() throws {
        let result = try mount()
        #expect(result == MountArguments())
        #expect(result.configPath.isEmpty)
        #expect(result.expandsEnvironment)
        #expect(!result.skipsUnmount && !result.fuseDebug && !result.debug && !result.tracing)
        #expect(result.exec == nil)
        #expect(result.execCommand == nil)
    }

    @Test func takesOneDashOrTwo() throws {
        let single = try mount(
            "-config",
            "a.yml",
            "-no-expand-env",
            "-skip-unmount",
            "-fuse.debug",
            "-debug",
            "-tracing"
        )
        let double = try mount(
            "--config=a.yml",
            "--no-expand-env",
            "--skip-unmount",
            "--fuse.debug",
            "--debug",
            "--tracing"
        )
        #expect(single == double)
        #expect(single.configPath == "a.yml")
        #expect(!single.expandsEnvironment)
        #expect(single.skipsUnmount && single.fuseDebug && single.debug && single.tracing)
    }

    @Test func takesValuesAfterAnEqualsSignOrABlank() throws {
        #expect(try mount("-config", "a=b").configPath == "a=b")
        #expect(try mount("-config=a=b").configPath == "a=b")
        #expect(try mount("-config=").configPath.isEmpty)
        #expect(try mount("-config", "-debug").configPath == "-debug")
        #expect(try mount("-config", "a", "-config", "b").configPath == "b")
    }

    @Test(arguments: [
        ("1", true), ("t", true), ("T", true), ("true", true), ("TRUE", true), ("True", true),
        ("0", false), ("f", false), ("F", false), ("false", false), ("FALSE", false), ("False", false),
    ])
    func readsBools(text: String, value: Bool) throws {
        #expect(try mount("-debug=\(text)").debug == value)
        #expect(try mount("-no-expand-env=\(text)").expandsEnvironment == !value)
    }

    @Test(arguments: [
        (["-debug=yes"], #"invalid boolean value "yes" for -debug: parse error"#),
        (["--tracing="], #"invalid boolean value "" for -tracing: parse error"#),
        (["-x"], "flag provided but not defined: -x"),
        (["--unknown=1"], "flag provided but not defined: -unknown"),
        (["-config"], "flag needs an argument: -config"),
        (["-config", "--", "app"], "flag needs an argument: -config"),
        (["---debug"], "bad flag syntax: ---debug"),
        (["-=x"], "bad flag syntax: -=x"),
        (["--=x"], "bad flag syntax: --=x"),
        (["x"], "too many arguments, specify a '--' to specify an exec command"),
        (["-debug", "false"], "too many arguments, specify a '--' to specify an exec command"),
        (["x", "-unknown"], "too many arguments, specify a '--' to specify an exec command"),
        (["-"], "too many arguments, specify a '--' to specify an exec command"),
        (["x", "--", "app"], "too many arguments, specify a '--' to specify an exec command"),
        (["--"], "no command after '--'"),
        (["--", ""], "no command after '--'"),
    ])
    func refusesBadFlagsInGosWords(arguments: [String], message: String) {
        #expect(failure(["mount"] + arguments)?.message == message)
        #expect(failure(["mount"] + arguments)?.exitCode == 2)
        #expect(failure(["mount"] + arguments)?.hint.isEmpty == false)
    }

    @Test func takesEverythingAfterTwoDashesForTheCommand() throws {
        let result = try mount("-debug", "--", "app", "-config", "x", "--", "y z")
        #expect(result.debug)
        #expect(result.configPath.isEmpty)
        #expect(result.exec == ["app", "-config", "x", "--", "y z"])
        #expect(result.execCommand == "app -config x -- y z")
    }

    @Test(arguments: [["-h"], ["--help"], ["-help=x"], ["-config", "a", "-h"], ["-h", "-unknown"]])
    func explainsTheMountCommand(arguments: [String]) {
        #expect(Arguments.parse(["mount"] + arguments) == .help(Usage.mount))
    }

    @Test func explainsEveryFlagAndExitCode() {
        for word in ["-config", "-no-expand-env", "-skip-unmount", "-fuse.debug", "-debug", "-tracing", "--"]
        {
            #expect(Usage.mount.contains(word))
        }
        for word in ["./litefs.yml", "~/litefs.yml", "/etc/litefs.yml", "Exit codes:", "advertise-url"] {
            #expect(Usage.mount.contains(word))
        }
        for command in ["mount", "version", "help"] {
            #expect(Usage.program.contains(command))
        }
    }
}
