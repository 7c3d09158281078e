import POSIX
import Testing

/// The life of a node with real children and real signals.
@Suite struct SupervisionTests {
    /// How soon the process ends after a signal, or after its child.
    private let prompt: Duration = .seconds(2)

    private let stops = ["part two stopping", "part one stopped", "litefs shut down complete"]

    private func node(_ arguments: String..., wrapper: [String] = []) throws -> Program {
        try Program("SupervisedNode", arguments, wrapper: wrapper, in: TemporaryFolder())
    }

    @Test func commandsRunInOrderAndTheLastOneGivesTheExitCode() throws {
        let node = try node(
            "exec=sh -c 'cat out >>log; echo one >>log'",
            "exec=sh -c 'echo two >>log'",
            "exec=sh -c 'echo three >>log; exit 7'"
        )
        #expect(try node.ending() == .code(7))
        #expect(node.text("log").hasSuffix("ready\none\ntwo\nthree\n"))
        #expect(
            node.lines.suffix(5) == [
                "waiting for signal or subprocess to exit",
                "subprocess exited with error code 7, litefs shutting down",
            ] + stops
        )
        let logged = node.errors.split(separator: "\n").map(String.init)
        #expect(logged.count == 3)
        #expect(logged[0].contains("executing command: sh [-c cat out"))
        #expect(logged[2].contains("starting background subprocess: sh [-c echo three"))
    }

    @Test func aLastCommandThatSucceedsEndsTheNodeWithZero() throws {
        let node = try node("exec=true")
        #expect(try node.ending() == .code(0))
        #expect(node.lines.contains("subprocess exited successfully, litefs shutting down"))
        #expect(node.lines.suffix(3) == stops[...])
    }

    @Test func aLastCommandThatASignalEndsGives255() throws {
        let node = try node("exec=sh -c 'kill -KILL $$'")
        #expect(try node.ending() == .code(255))
        #expect(node.lines.contains("subprocess exited with error, litefs shutting down: signal: SIGKILL"))
    }

    @Test func aCommandGetsItsWordsWithoutAShell() throws {
        let node = try node(#"exec=sh -c 'printf "%s|" "$@" >log' sh 'a  b' $HOME "" *"#)
        #expect(try node.ending() == .code(0))
        #expect(node.text("log") == "a  b|$HOME||*|")
    }

    @Test(arguments: [Signal.interrupt, .terminate, .hangUp])
    func aStopSignalIsPassedOnToTheChildWhichIsWaitedFor(signal: Signal) throws {
        let name = String("\(signal)".dropFirst(3))
        let node = try node(
            "exec=sh -c 'trap \"echo got \(name) >>log; exit 3\" \(name); echo up >>log; while :; do sleep 0.01; done'"
        )
        try node.expect("up", in: "log")
        node.send(signal)
        #expect(try node.ending(within: prompt) == .code(0))
        #expect(node.text("log") == "up\ngot \(name)\n")
        #expect(
            node.lines.suffix(7) == [
                "waiting for signal or subprocess to exit",
                "sending signal to exec process",
                "waiting for exec process to close",
                "signal received, litefs shutting down",
            ] + stops
        )
    }

    @Test func everyFurtherSignalIsPassedOnToo() throws {
        let script = """
            n=0; trap "n=\\$((n+1)); echo got \\$n >>log; [ \\$n = 2 ] && exit 0" TERM; \
            echo up >>log; while :; do sleep 0.01; done
            """
        let node = try node("exec=sh -c '\(script)'")
        try node.expect("up", in: "log")
        node.send(.terminate)
        try node.expect("got 1", in: "log")
        node.send(.terminate)
        #expect(try node.ending(within: prompt) == .code(0))
        #expect(node.text("log") == "up\ngot 1\ngot 2\n")
        #expect(node.lines.filter { $0 == "sending signal to exec process" }.count == 1)
    }

    @Test func aSignalEndsANodeThatStillWaitsForItsPrimary() throws {
        let node = try node("start=wait", "exec=touch ran")
        try node.expect("part two starting")
        node.send(.terminate)
        #expect(try node.ending(within: prompt) == .code(0))
        #expect(node.lines.suffix(4) == ["signal received, litefs shutting down"] + stops)
        #expect(!Files.exists(node.folder.path + "/ran"))
    }

    @Test func aSignalEndsANodeWithoutCommands() throws {
        let node = try node()
        try node.expect("waiting for signal")
        node.send(.terminate)
        #expect(try node.ending(within: prompt) == .code(0))
        #expect(node.lines.suffix(4) == ["signal received, litefs shutting down"] + stops)
    }

    @Test func aCommandThatIsWaitedForGetsTheSignalAndNoFurtherOneRuns() throws {
        let node = try node(
            "exec=sh -c 'trap \"echo got >>log; exit 1\" TERM; echo up >>log; while :; do sleep 0.01; done'",
            "exec=touch ran"
        )
        try node.expect("up", in: "log")
        node.send(.terminate)
        #expect(try node.ending(within: prompt) == .code(0))
        #expect(node.text("log") == "up\ngot\n")
        #expect(!Files.exists(node.folder.path + "/ran"))
        #expect(node.lines.suffix(4) == ["signal received, litefs shutting down"] + stops)
    }

    @Test func aSecondSignalWhileThePartsStopChangesNothing() throws {
        let node = try node("stop=hang", "limit=300")
        try node.expect("waiting for signal")
        node.send(.terminate)
        try node.expect("part two stopping")
        node.send(.terminate)
        #expect(try node.ending(within: prompt) == .code(1))
        #expect(node.errors.contains("still trying to stop part two after 0.3 seconds"))
    }

    @Test func aStartThatHangsDoesNotOutliveASignalForLong() throws {
        let node = try node("start=hang", "limit=300")
        try node.expect("part two starting")
        node.send(.terminate)
        #expect(try node.ending(within: prompt) == .code(1))
        #expect(node.errors.contains("still trying to start part two"))
    }

    @Test func aPartThatCannotStopDoesNotKeepTheOthersRunning() throws {
        let node = try node("stop=fail", "exec=true")
        #expect(try node.ending() == .code(1))
        #expect(node.lines.last == "part one stopped")
        #expect(node.errors.hasSuffix("ERROR: cannot stop part two: it clings\n"))
    }

    @Test func aFailedStartStopsWhatWasStarted() throws {
        let node = try node("start=fail", "exec=touch ran")
        #expect(try node.ending() == .code(1))
        #expect(node.lines == ["part one started", "part two starting", "part one stopped"])
        #expect(node.errors == "ERROR: cannot start part two: no luck\n")
        #expect(!Files.exists(node.folder.path + "/ran"))
    }

    @Test func aFailedStartMayLeaveTheNodeAsItIsUntilASignal() throws {
        let node = try node("start=fail", "stay")
        try node.expect("waiting for signal or subprocess to exit")
        #expect(node.errors == "ERROR: cannot start part two: no luck\n")
        #expect(!node.output.contains("part one stopped"))
        node.send(.terminate)
        #expect(try node.ending(within: prompt) == .code(0))
        #expect(node.lines.suffix(2) == ["part one stopped", "litefs shut down complete"])
    }

    @Test func aCommandThatFailsKeepsTheNextFromRunning() throws {
        let node = try node("exec=sh -c 'exit 3'", "exec=touch ran")
        #expect(try node.ending() == .code(1))
        #expect(
            node.errors.contains(
                "ERROR: cannot exec: sync cmd: cannot run command: exit status 3: sh -c 'exit 3'\n"
            )
        )
        #expect(!Files.exists(node.folder.path + "/ran"))
        #expect(node.lines.last == "part one stopped")
    }

    @Test func aCommandThatFailsMayLeaveTheNodeAsItIs() throws {
        let node = try node("stay", "exec=false", "exec=touch ran")
        try node.expect("waiting for signal or subprocess to exit")
        node.send(.interrupt)
        #expect(try node.ending(within: prompt) == .code(0))
        #expect(!Files.exists(node.folder.path + "/ran"))
        #expect(node.lines.suffix(4) == ["signal received, litefs shutting down"] + stops)
    }

    @Test func aProgramThatDoesNotExistIsNamed() throws {
        let node = try node("exec=/nonexistent/program -x")
        #expect(try node.ending() == .code(1))
        #expect(
            node.errors.hasSuffix(
                "ERROR: cannot exec: async cmd: cannot start command: exec: \"/nonexistent/program\": "
                    + "ENOENT: No such file or directory\n"
            )
        )
    }

    @Test func aReplicaSkipsTheCommandsForCandidates() throws {
        let node = try node("replica", "candidate-exec=touch ran", "exec=sh -c 'exit 4'")
        #expect(try node.ending() == .code(4))
        #expect(!Files.exists(node.folder.path + "/ran"))
        #expect(node.errors.contains("node is not a candidate, skipping command execution: touch [ran]"))
    }

    @Test func aReplicaWithoutALastCommandIdlesAndStopsInOrder() throws {
        let node = try node("replica", "exec=touch ran", "candidate-exec=sleep 60")
        try node.expect("waiting for signal or subprocess to exit")
        #expect(Files.exists(node.folder.path + "/ran"))
        node.send(.terminate)
        #expect(try node.ending(within: prompt) == .code(0))
        #expect(node.lines.suffix(4) == ["signal received, litefs shutting down"] + stops)
        #expect(!node.output.contains("sending signal"))
    }

    @Test func aReplicaWithNothingButCommandsForCandidatesIdles() throws {
        let node = try node("replica", "candidate-exec=touch ran", "candidate-exec=touch ran")
        try node.expect("waiting for signal or subprocess to exit")
        node.send(.terminate)
        #expect(try node.ending(within: prompt) == .code(0))
        #expect(!Files.exists(node.folder.path + "/ran"))
        #expect(node.lines.suffix(3) == stops[...])
    }

    @Test func aCandidateRunsTheCommandsForCandidates() throws {
        let node = try node("candidate-exec=touch ran", "candidate-exec=sh -c 'exit 6'")
        #expect(try node.ending() == .code(6))
        #expect(Files.exists(node.folder.path + "/ran"))
    }

    @Test func hangUpIsIgnoredUnderNohup() throws {
        let node = try node(wrapper: ["nohup"])
        try node.expect("waiting for signal")
        node.send(.hangUp)
        node.send(.terminate)
        #expect(try node.ending(within: prompt) == .code(0))
        #expect(!node.errors.contains("SIGHUP"))
    }

    /// Orphans of a command become children of PID 1 and stay zombies until it waits for them.
    @Test(.enabled(if: CanUnshare.pidNamespace, "needs root and PID namespaces"))
    func theFirstProcessOfAContainerReapsOrphans() throws {
        let script = """
            sh -c "sleep 0.02 & echo \\$! >orphan"; pid=$(cat orphan); \
            while [ -e /proc/$pid ]; do sleep 0.01; done; exit 5
            """
        let node = try node(
            "exec=sh -c '\(script)'",
            "exec=true",
            wrapper: ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]
        )
        #expect(try node.ending() == .code(1))
        #expect(node.errors.contains("exit status 5"))
    }
}

/// What this machine lets a test do.
enum CanUnshare {
    static let pidNamespace: Bool = {
        guard let child = try? ChildProcess(["unshare", "--fork", "--pid", "--mount-proc", "true"]) else {
            return false
        }
        return child.waitForExit() == .code(0)
    }()
}
