import POSIX
import Synchronization
import Testing

@testable import Daemon

@Suite struct PartsTests {
    private struct Trouble: Error, CustomStringConvertible {
        let description = "no luck"
    }

    /// What happened, in order.
    private final class Journal: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        func note(_ line: String) { lines.withLock { $0.append(line) } }
    }

    private let journal = Journal()

    private func start(_ name: String, in parts: Parts, stopFails: Bool = false) throws {
        let journal = journal
        _ = try parts.start("start \(name)", undoing: "stop \(name)") {
            journal.note("+\(name)")
            return name
        } stop: { part in
            journal.note("-\(part)")
            if stopFails { throw Trouble() }
        }
    }

    @Test func partsStopInReverseOrderAndOnlyOnce() throws {
        let parts = Parts(stopRequest: try StopRequest())
        for name in ["a", "b", "c"] { try start(name, in: parts) }
        #expect(parts.step == nil)
        #expect(parts.stopAll().isEmpty)
        #expect(parts.stopAll().isEmpty)
        #expect(journal.all == ["+a", "+b", "+c", "-c", "-b", "-a"])
    }

    @Test func aPartThatCannotStopIsReportedAndTheOthersStop() throws {
        let parts = Parts(stopRequest: try StopRequest())
        try start("a", in: parts)
        try start("b", in: parts, stopFails: true)
        #expect(parts.stopAll() == ["cannot stop b: no luck"])
        #expect(journal.all.suffix(2) == ["-b", "-a"])
    }

    @Test func aStepThatFailsIsNamedAndNotStopped() throws {
        let parts = Parts(stopRequest: try StopRequest())
        let error = #expect(throws: StartError.self) {
            try parts.start("open store", undoing: "close store") {
                throw Trouble()
            } stop: { (_: Int) in
            }
        }
        #expect(error?.description == "cannot open store: no luck")
        #expect(parts.stopAll().isEmpty)
    }

    @Test func nothingStartsOnceTheNodeIsToEnd() throws {
        let parts = Parts(stopRequest: try StopRequest())
        try start("a", in: parts)
        parts.stopRequest.request()
        #expect(throws: StartError.self) { try start("b", in: parts) }
        #expect(journal.all == ["+a"])
    }

    @Test func theStepUnderWayHasAName() throws {
        let parts = Parts(stopRequest: try StopRequest())
        try parts.run("look") { #expect(parts.step?.name == "look") }
        let journal = journal
        _ = try parts.start("start a", undoing: "stop a") {
        } stop: {
            journal.note(parts.step?.name ?? "")
        }
        #expect(parts.stopAll().isEmpty)
        #expect(journal.all == ["stop a"])
    }

    @Test func aStopRequestWakesWhoeverWaits() throws {
        let request = try StopRequest()
        let journal = journal
        #expect(!request.wait(for: .zero))
        request.onRequest { journal.note("asked") }
        let thread = Thread("asks") { request.request() }
        #expect(request.wait(for: .seconds(20)))
        thread.join()
        request.request()
        request.onRequest { journal.note("late") }
        #expect(journal.all == ["asked", "late"])
    }

    @Test func readinessEndsTheWaitAndAStopInterruptsIt() throws {
        let request = try StopRequest()
        let reached = try Readiness()
        reached.reach()
        try reached.wait(orStop: request)
        let never = try Readiness()
        let thread = Thread("asks") { request.request() }
        #expect(throws: StartError.self) { try never.wait(orStop: request) }
        thread.join()
    }
}
