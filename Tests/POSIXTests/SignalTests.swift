import POSIX
import Testing

@Suite struct SignalTests {
    @Test func aSignalIsShownByItsName() {
        #expect("\(Signal.terminate)" == "SIGTERM")
        #expect("\(Signal.hangUp)" == "SIGHUP")
        #expect("\(Signal(rawValue: 999))" == "signal 999")
    }

    @Test func aDescriptorWithoutPendingSignalsGivesNone() throws {
        let descriptor = try SignalDescriptor([.hangUp])
        #expect(descriptor.next() == nil)
        #expect(poll(readable: [descriptor.rawValue], timeout: .zero) == [false])
    }

    @Test func theEndOfAChildIsPutInWords() throws {
        #expect(try ChildProcess(["sh", "-c", "exit 3"]).waitForExit().description == "exit status 3")
        #expect(
            try ChildProcess(["sh", "-c", "kill -TERM $$"]).waitForExit().description == "signal: SIGTERM"
        )
    }

    @Test func theEnvironmentCanBeRead() {
        #expect(CurrentProcess.environment("LITEFS_TESTS_NO_SUCH_VARIABLE") == nil)
        #expect(CurrentProcess.environment("PATH")?.isEmpty == false)
        #expect(CurrentProcess.id > 1)
        #expect(!CurrentProcess.isInit)
    }
}

@Suite struct InterruptibleThreadTests {
    @Test func aThreadIsInterruptedThoughItsMakerBlocksAllSignals() {
        let maker = Thread("maker") {
            let waiting = Thread("waiting", interruptible: true) {
                _ = poll(readable: [], timeout: .seconds(60))
            }
            waiting.interruptAndJoin()
        }
        let begun = MonotonicTime.now
        maker.join()
        #expect(MonotonicTime.now - begun < .seconds(20))
    }
}
