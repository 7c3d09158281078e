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

    @Test(arguments: ["import", "export", "run"])
    func saysThatACommandIsNotBuilt(name: String) {
        #expect(failure([name, "-x", "y"])?.message == "litefs \(name): not built yet")
        #expect(failure([name])?.exitCode == 1)
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
        #expect(Arguments.parse(["mount"] + arguments) == .mountHelp)
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
