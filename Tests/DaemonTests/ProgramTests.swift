import HTTP
import POSIX
import Testing

/// What `litefs` says and which exit code it gives before anything is mounted.
@Suite struct ProgramTests {
    private func run(
        _ arguments: [String],
        config: String? = nil,
        environment: [String: String] = [:]
    ) throws -> (exit: ChildProcess.Exit, program: Program) {
        let folder = try TemporaryFolder()
        if let config {
            try folder.write("litefs.yml", config.replacing("FOLDER", with: folder.path))
        }
        let environment = environment.merging(["HOME": folder.path]) { set, _ in set }
        let program = try Program("litefs", arguments, environment: environment, in: folder)
        return (try program.ending(), program)
    }

    @Test func theVersionIsOneLine() throws {
        let (exit, program) = try run(["version"])
        #expect(exit == .code(0))
        #expect(program.lines.count == 1)
        #expect(program.output.hasPrefix("LiteFS v0.1.0, "))
    }

    @Test(arguments: [[], ["help"], ["-h"]])
    func helpIsPrintedOnStandardOutputAndGives2(arguments: [String]) throws {
        let (exit, program) = try run(arguments)
        #expect(exit == .code(2))
        #expect(program.output.contains("litefs <command>"))
        #expect(program.errors.isEmpty)
    }

    @Test func theFlagsOfMountAreExplained() throws {
        let (exit, program) = try run(["mount", "-h"])
        #expect(exit == .code(2))
        #expect(program.output.contains("-skip-unmount"))
    }

    @Test func anUnknownCommandGives1() throws {
        let (exit, program) = try run(["fly"])
        #expect(exit == .code(1))
        #expect(program.errors == "ERROR: litefs fly: unknown command\n")
        #expect(program.output.isEmpty)
    }

    @Test func anUnknownFlagGives2() throws {
        let (exit, program) = try run(["mount", "-x"])
        #expect(exit == .code(2))
        #expect(program.errors.hasPrefix("ERROR: flag provided but not defined: -x\n"))
    }

    @Test func aMissingFileGives2() throws {
        let (exit, program) = try run(["mount", "-config", "/nonexistent/litefs.yml"])
        #expect(exit == .code(2))
        #expect(program.errors.hasPrefix("ERROR: cannot read config file at /nonexistent/litefs.yml: ENOENT"))
    }

    @Test func anEmptyFileGives2() throws {
        let (exit, program) = try run(["mount"], config: "")
        #expect(exit == .code(2))
        #expect(program.errors.hasPrefix("ERROR: EOF"))
    }

    @Test func settingsThatDoNotFitTogetherGive2() throws {
        let config = "fuse: {dir: FOLDER}\ndata: {dir: FOLDER}\nlease: {type: static}\n"
        let (exit, program) = try run(["mount"], config: config)
        #expect(exit == .code(2))
        #expect(program.errors.hasPrefix("ERROR: fuse directory and data directory cannot be the same path"))
        #expect(program.lines == ["config file read from \(program.folder.path)/litefs.yml"])
    }

    @Test func aCommandLineThatCannotBeSplitGives2() throws {
        let config = "fuse: {dir: FOLDER/m}\ndata: {dir: FOLDER/d}\nlease: {type: static}\n"
        let (exit, program) = try run(["mount", "--", "a", "|", "b"], config: config)
        #expect(exit == .code(2))
        #expect(program.errors.hasPrefix("ERROR: cannot parse exec command"))
    }

    @Test(arguments: ["", "given"])
    func theFileSeesAHostNameAlsoWhenTheEnvironmentHasNone(hostname: String) throws {
        let (exit, program) = try run(
            ["mount"],
            config: "lease: {type: 'x${HOSTNAME}y'}\n",
            environment: ["HOSTNAME": hostname]
        )
        #expect(exit == .code(2))
        let name = hostname.isEmpty ? try #require(CurrentProcess.hostName) : hostname
        #expect(program.errors.contains("got: 'x\(name)y'"))
    }

    @Test func anAddressInUseGives1() throws {
        let server = try HTTPServer(address: "127.0.0.1:0")
        defer { server.stop() }
        let config = """
            fuse: {dir: FOLDER/m}
            data: {dir: FOLDER/d}
            http: {addr: "127.0.0.1:\(server.boundPort)"}
            lease: {type: static}
            """
        let (exit, program) = try run(["mount"], config: config)
        #expect(exit == .code(1))
        #expect(program.errors.contains("\nERROR: cannot listen for HTTP: "))
        #expect(program.lines.contains { $0.hasPrefix("LiteFS v0.1.0, ") })
    }
}
