import Glibc
import Harness
import POSIX
import Testing

/// The commands under `exec`.
@Suite(.serialized, .logsOnFailure)
struct ExecTests {
    @Test
    func `The commands run in order on the mount, and the exit code of the last one is the daemon's`()
        async throws
    {
        let commands = [
            "cmd: \"sqlite3 MOUNT/app.db 'CREATE TABLE t(a)'\"",
            "cmd: \"sqlite3 MOUNT/app.db 'INSERT INTO t VALUES(7)'\"",
            "cmd: \"sh -c 'sqlite3 MOUNT/app.db .dump; exit 42'\"",
        ]
        try await run(commands) { node in
            let exit = try #require(node.current).waitForExit()
            #expect(exit == .code(42))
            #expect(node.log.contains("INSERT INTO t VALUES(7)"))
            #expect(node.log.contains("subprocess exited with error code 42, litefs shutting down"))
            #expect(node.log.count(of: "executing command: ") == 2)
            #expect(node.log.count(of: "starting background subprocess: ") == 1)
            #expect(!node.isMounted)
        }
    }

    @Test
    func `A last command that ends well ends the daemon well`() async throws {
        try await run(["cmd: \"true\""]) { node in
            let exit = try node.waitForExit()
            #expect(exit == .code(0))
            #expect(node.log.contains("subprocess exited successfully, litefs shutting down"))
        }
    }

    @Test
    func `A failed first command ends the daemon with 1, and the others do not run`() async throws {
        try await run(["cmd: \"sh -c 'exit 3'\"", "cmd: \"touch MOUNT/never\""]) { node in
            let exit = try node.waitForExit()
            #expect(exit == .code(1))
            #expect(node.log.contains("cannot exec: sync cmd: cannot run command: exit status 3"))
            #expect(!node.log.contains("never"))
            #expect(!node.isMounted)
        }
    }

    @Test
    func `A command for candidates is skipped on a replica, which goes on and ends by SIGTERM`() async throws
    {
        let commands = ["cmd: \"true\"", "cmd: \"sh -c 'echo never'\"\n    if-candidate: true"]
        try await withCluster(isStarted: false) { settings in
            if !settings.isPrimary { settings.more = Self.exec(commands, settings) }
        } _: { cluster in
            try cluster.start()
            let replica = try cluster.replica
            try eventually("the command is skipped") {
                replica.log.contains("node is not a candidate, skipping command execution")
            }
            try eventually("it idles") { replica.log.contains("waiting for signal or subprocess to exit") }
            try replica.stop(within: .seconds(3))
            #expect(!replica.log.contains("never\n"))
        }
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func `A signal goes to the child, and the daemon ends within two seconds of it`(
        signal: Int32
    ) async throws {
        let script = "trap \"echo got it; exit 0\" TERM INT; echo started; while :; do sleep 0.05; done"
        try await run(["cmd: |\n      sh -c '\(script)'"]) { node in
            try eventually("the child runs") { node.log.contains("started") }
            node.current?.send(signal)
            let exit = try node.waitForExit(within: .seconds(3))
            #expect(exit == .code(0))
            for line in [
                "sending signal to exec process", "waiting for exec process to close", "got it",
                "signal received, litefs shutting down", "litefs shut down complete",
            ] {
                #expect(node.log.contains(line), "\(line)")
            }
            #expect(!node.isMounted)
        }
    }

    @Test
    func `A command behind the separator replaces exec`() async throws {
        try await withCluster(replicas: 0, isStarted: false) { settings in
            settings.arguments = ["--", "sh", "-c", "'exit 5'"]
            settings.more = "exec: \"echo never\"\n"
        } _: { cluster in
            try cluster.primary.start(until: .running)
            let exit = try cluster.primary.waitForExit()
            #expect(exit == .code(5))
            #expect(!cluster.primary.log.contains("never"))
        }
    }

    private func run(_ commands: [String], _ body: (DaemonProcess) throws -> Void) async throws {
        try await withCluster(replicas: 0, isStarted: false) { settings in
            settings.more = Self.exec(commands, settings)
        } _: { cluster in
            try cluster.primary.start(until: .running)
            try body(cluster.primary)
        }
    }

    private static func exec(_ commands: [String], _ settings: NodeSettings) -> String {
        let lines = commands.map { "  - \($0)\n" }.joined()
        return "exec:\n"
            + lines.split(separator: "MOUNT", omittingEmptySubsequences: false)
            .joined(separator: settings.mountFolder)
    }
}

extension String {
    /// How often a text occurs.
    func count(of part: String) -> Int {
        split(separator: part, omittingEmptySubsequences: false).count - 1
    }
}
