import Harness
import POSIX
import Testing

/// The checker of histories itself: what it accepts, and what it finds.
struct CommitHistoryTests {
    private func time(_ value: Int64) -> BootTime { BootTime(nanoseconds: value) }

    /// A history of commits that take one unit each, given by node and time of return; a commit's number is that time.
    private func history(_ commits: [(String, Int64)], _ terms: [(String, Int64, Int64)]) -> CommitHistory {
        var history = CommitHistory()
        history.acknowledgments = commits.map {
            CommitHistory.Acknowledgment($0.0, $0.1, called: time($0.1 - 1), returned: time($0.1))
        }
        history.terms = terms.map { CommitHistory.Term($0.0, from: time($0.1), to: time($0.2)) }
        return history
    }

    @Test func `terms that follow each other are in order, also where they overlap`() {
        let history = history(
            [("a", 1), ("a", 9), ("a", 11), ("b", 12), ("b", 20), ("a", 31), ("b", 40)],
            [("a", 0, 13), ("b", 8, 30), ("a", 25, 35), ("b", 33, .max)]
        )
        let order = history.order()
        #expect(order.findings == [])
        #expect(order.terms.map(\.term.node) == ["a", "b", "a", "b"])
        #expect(order.terms.map(\.acknowledgments.count) == [3, 2, 1, 1])
    }

    @Test func `a commit after one of the next primary is found`() {
        let findings = history([("a", 1), ("b", 11), ("a", 12)], [("a", 0, 13), ("b", 8, .max)]).order()
            .findings
        #expect(findings.count == 1)
        #expect(findings.first?.hasPrefix("a acknowledged 12 at 12, when the lease was not its own") == true)
    }

    @Test func `a commit after the end of a term, before its begin, or of nobody is found`() {
        let terms: [(String, Int64, Int64)] = [("a", 5, 13), ("b", 10, .max)]
        #expect(history([("a", 14)], terms).order().findings.count == 1)
        #expect(history([("a", 4)], terms).order().findings.count == 1)
        #expect(history([("c", 12)], terms).order().findings.count == 1)
        #expect(history([("a", 13), ("b", 13)], terms).order().findings == [])
    }

    @Test func `a commit whose node was stopped inside the call counts from the stop on`() {
        var history = history([("a", 10), ("b", 20)], [("a", 0, 13), ("b", 12, .max)])
        history.acknowledgments.append(
            CommitHistory.Acknowledgment("a", 11, called: time(10), returned: time(30))
        )
        #expect(history.order().findings.count == 1)
        history.stops = [CommitHistory.Stop("b", from: time(11), to: time(29))]
        #expect(history.order().findings.count == 1)
        history.stops = [CommitHistory.Stop("a", from: time(11), to: time(29))]
        #expect(history.order().findings == [])
        // Called while the node was stopped already: nobody could have taken it before the others went on.
        history.stops = [CommitHistory.Stop("a", from: time(9), to: time(29))]
        #expect(history.order().findings.count == 1)
    }

    @Test func `a term's last commits may be missing when they are set aside`() {
        let history = history([("a", 1), ("a", 2), ("a", 3), ("b", 20)], [("a", 0, 13), ("b", 12, .max)])
        let loss = history.loss(present: ["a": [1], "b": [20]], setAside: ["a": 2])
        #expect(loss.findings == [])
        #expect(loss.missing["a"]?.map(\.number) == [2, 3])
        let lost = history.loss(present: ["a": [1], "b": [20]], setAside: ["a": 1, "b": 5])
        #expect(
            lost.findings == ["2 commits of a are missing (2 to 3), and 1 transactions are set aside there"]
        )
    }

    @Test func `commits must not be missing before ones that are there, nor from the last term`() {
        let history = history([("a", 1), ("a", 2), ("a", 3), ("b", 20)], [("a", 0, 13), ("b", 12, .max)])
        let gap = history.loss(present: ["a": [1, 3], "b": [20]], setAside: ["a": 9])
        #expect(gap.findings == ["a has commit 3, and not 2 of before"])
        let end = history.loss(present: ["a": [1, 2, 3]], setAside: ["b": 9])
        #expect(end.findings == ["b, the last primary, lacks 1 of its commits, first 20"])
    }

    @Test func `a node that holds the lease twice in a row is one term`() {
        let history = history([("a", 1), ("a", 20)], [("a", 0, 13), ("a", 12, .max)])
        #expect(history.order().terms.count == 1)
        #expect(history.loss(present: ["a": [20]], setAside: ["a": 1]).findings.count == 2)
    }
}
