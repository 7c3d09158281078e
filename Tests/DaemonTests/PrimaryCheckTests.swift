import Testing

@testable import Daemon

@Suite struct PrimaryCheckTests {
    private let check = PrimaryCheck(nodeID: "00000000000000AB", advertiseURL: "http://app-0.app:20202")

    private func problem(_ nodeID: String?, _ body: String) -> String? {
        check.problem(with: PrimaryCheck.Answer(nodeID: nodeID, body: Array(body.utf8)))
    }

    @Test func theAdvertisedNodeIsAskedForItsInfo() {
        #expect(check.infoURL == "http://app-0.app:20202/info")
        #expect(PrimaryCheck(nodeID: "A", advertiseURL: "http://a:1/").infoURL == "http://a:1/info")
    }

    @Test func aPrimaryThatFindsItselfIsRight() {
        #expect(problem("00000000000000AB", #"{"isPrimary": true}"#) == nil)
        #expect(problem("00000000000000ab", #"{"isPrimary": true}"#) == nil)
    }

    @Test func anotherPrimaryIsNamedWithTheRemedy() throws {
        let text = try #require(problem("00000000000000CD", #"{"isPrimary": true, "path": "/litefs"}"#))
        #expect(text.hasPrefix("two primaries: this node (00000000000000AB)"))
        #expect(text.contains("http://app-0.app:20202 (00000000000000CD)"))
        #expect(text.contains("set lease.candidate to false on all nodes but one"))
    }

    @Test(arguments: [#"{"isPrimary": false}"#, "{}", "", "[", "\u{0}", #"{"isPrimary": 1}"#])
    func aReplicaAtTheURLIsNamed(body: String) throws {
        let text = try #require(problem("00000000000000CD", body))
        #expect(text.contains("leads to a replica (node 00000000000000CD)"))
    }

    @Test func aStrangerAtTheURLIsNamed() throws {
        let text = try #require(problem(nil, "<html>"))
        #expect(text.contains("something that is no litefs"))
    }
}
