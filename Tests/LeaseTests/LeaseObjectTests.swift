import JSON
import LTX
import Testing

@testable import Lease

@Suite struct LeaseObjectTests {
    private var record: LeaseRecord {
        var record = LeaseRecord()
        record.holder = "app-0/0011/22-33"
        record.duration = .seconds(30)
        record.transitions = 7
        record.acquired = "2026-01-02T03:04:05.000001Z"
        record.renewed = "2026-01-02T03:04:06.000002Z"
        record.hostname = "app-0"
        record.advertiseURL = "http://app-0.app:20202"
        record.pod = "app-0"
        record.clusterID = "LFSC0123456789ABCDEF"
        record.positions = ["a.db": Position(txid: TXID(3), postApply: Checksum(rawValue: 1 << 63 | 5))]
        record.takeover = "app-1"
        return record
    }

    /// 2026-01-02T03:04:05.123456Z.
    private let now: Int64 = 1_767_323_045_123_456
    private let nowText = "2026-01-02T03:04:05.123456Z"

    private func object(_ record: LeaseRecord, replacing stored: StoredLease? = nil) -> JSONValue {
        LeaseObject.object(record, name: "app", namespace: "prod", replacing: stored, now: now)
    }

    /// As the server would store it.
    private func versioned(_ object: JSONValue, _ version: String = "1") -> JSONValue {
        object.setting(
            "metadata",
            to: (object["metadata"] ?? .null).setting("resourceVersion", to: .string(version))
        )
    }

    private func text(_ value: JSONValue?) -> String {
        var writer = JSONWriter(escapesHTML: false)
        writer.value(value ?? .null)
        return writer.text
    }

    @Test func `a first record is an object of the API`() {
        let object = object(record)
        #expect(object["apiVersion"]?.string == "coordination.k8s.io/v1")
        #expect(object["kind"]?.string == "Lease")
        #expect(
            text(object["metadata"])
                == #"{"name":"app","namespace":"prod","annotations":{"litefs.io/hostname":"app-0","#
                + #""litefs.io/advertise-url":"http://app-0.app:20202","litefs.io/pod":"app-0","#
                + #""litefs.io/cluster-id":"LFSC0123456789ABCDEF","#
                + #""litefs.io/positions":"a.db=0000000000000003/8000000000000005","litefs.io/takeover":"app-1"}}"#
        )
        #expect(
            text(object["spec"])
                == #"{"holderIdentity":"app-0/0011/22-33","leaseDurationSeconds":30,"acquireTime":"\#(nowText)","#
                + #""renewTime":"\#(nowText)","leaseTransitions":7}"#
        )
    }

    @Test func `a record comes back, with the times of its writing`() throws {
        let stored = try LeaseObject.stored(versioned(object(record), "77"))
        var expected = record
        expected.acquired = nowText
        expected.renewed = nowText
        #expect(stored.record == expected)
        #expect(stored.version == "77")
    }

    @Test func `what is empty is not written`() throws {
        let object = object(LeaseRecord())
        #expect(text(object["metadata"]?["annotations"]) == "{}")
        #expect(object["spec"]?["holderIdentity"] == nil)
        let stored = try LeaseObject.stored(versioned(object))
        let freed = self.object(
            LeaseRecord(),
            replacing: try LeaseObject.stored(versioned(self.object(record)))
        )
        #expect(text(freed["metadata"]?["annotations"]) == "{}")
        #expect(freed["spec"]?["holderIdentity"] == nil)
        #expect(stored.record.holder == "")
    }

    @Test func `acquireTime stays as long as the holder does`() throws {
        var read = try LeaseObject.stored(versioned(object(record)))
        read.record.acquired = "2020-01-01T00:00:00.000000Z"
        var next = read.record
        #expect(object(next, replacing: read)["spec"]?["acquireTime"]?.string == read.record.acquired)
        next.holder = "app-1/0011/22-33"
        #expect(object(next, replacing: read)["spec"]?["acquireTime"]?.string == nowText)
        #expect(object(next, replacing: read)["spec"]?["renewTime"]?.string == nowText)
    }

    @Test func `what others wrote stays`() throws {
        let text = #"""
            {"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"app","namespace":"prod",
            "uid":"u","resourceVersion":"9","labels":{"team":"a"},"annotations":{"example.com/note":"x<y",
            "litefs.io/takeover":"app-2"},"ownerReferences":[{"uid":"o","controller":true}],
            "managedFields":[{"fieldsV1":{"f:spec":{}}}]},
            "spec":{"holderIdentity":"other","strategy":"OldestEmulationVersion","leaseTransitions":4}}
            """#
        let stored = try LeaseObject.stored(try JSONValue.parse(text))
        #expect(stored.record.takeover == "app-2")
        var next = record
        next.takeover = ""
        let written = object(next, replacing: stored)
        let metadata = written["metadata"]
        for name in ["uid", "labels", "ownerReferences", "managedFields"] {
            #expect(metadata?[name] != nil)
            #expect(metadata?[name] == stored.object?["metadata"]?[name])
        }
        #expect(metadata?["resourceVersion"]?.string == "9")
        #expect(metadata?["annotations"]?["example.com/note"]?.string == "x<y")
        #expect(metadata?["annotations"]?["litefs.io/takeover"] == nil)
        #expect(written["spec"]?["strategy"]?.string == "OldestEmulationVersion")
        #expect(written["spec"]?["leaseTransitions"]?.integer == 7)
    }

    @Test(
        arguments: [
            (.milliseconds(1), 1), (.seconds(-5), 1), (.milliseconds(14_001), 15), (.seconds(15), 15),
            (.seconds(3_601), 3_600), (Duration(secondsComponent: .max, attosecondsComponent: 1), 3_600),
        ] as [(Duration, Int64)]
    )
    func `a duration is written as whole seconds within bounds`(duration: Duration, seconds: Int64) {
        var record = record
        record.duration = duration
        #expect(object(record)["spec"]?["leaseDurationSeconds"]?.integer == seconds)
    }

    @Test func `the number of transitions is written within the 32 bits of the API`() {
        var record = record
        for (transitions, written) in [(Int64.max, Int64(Int32.max)), (-3, 0), (5, 5)] {
            record.transitions = transitions
            #expect(object(record)["spec"]?["leaseTransitions"]?.integer == written)
        }
    }

    // MARK: - Objects of others

    /// `{"metadata":{"resourceVersion":"1"},…}` with more members of both.
    private func foreign(_ members: String, metadata: String = "") throws -> StoredLease {
        let metadata = #"{"resourceVersion":"1""# + (metadata.isEmpty ? "" : "," + metadata) + "}"
        let rest = members.isEmpty ? "" : "," + members
        return try LeaseObject.stored(try JSONValue.parse(#"{"metadata":\#(metadata)\#(rest)}"#))
    }

    @Test(arguments: [
        "", #""spec":null"#, #""spec":{}"#, #""kind":"Lease","spec":{"holderIdentity":null}"#,
        #""spec":{"holderIdentity":"","leaseDurationSeconds":null,"acquireTime":null,"leaseTransitions":-1}"#,
    ])
    func `an object without anything is free`(members: String) throws {
        #expect(try foreign(members).record == LeaseRecord())
        #expect(try foreign(members, metadata: #""annotations":null"#).record == LeaseRecord())
    }

    @Test func `another tool's lease has a holder of whom nothing else is known`() throws {
        let record = try foreign(
            #""spec":{"holderIdentity":"tool_1","leaseDurationSeconds":40,"renewTime":"2026-01-01T00:00:00.000000Z","leaseTransitions":3}"#
        )
        .record
        var expected = LeaseRecord()
        expected.holder = "tool_1"
        expected.duration = .seconds(40)
        expected.renewed = "2026-01-01T00:00:00.000000Z"
        expected.transitions = 3
        #expect(record == expected)
    }

    @Test(
        arguments: [
            ("-1", 1), ("0", 1), ("-9223372036854775808", 1), ("9223372036854775807", 3_600), ("3600", 3_600),
        ] as [(String, Int64)]
    )
    func `durations are bounded`(text: String, seconds: Int64) throws {
        let record = try foreign(#""spec":{"holderIdentity":"x","leaseDurationSeconds":\#(text)}"#).record
        #expect(record.duration == .seconds(seconds))
    }

    @Test(arguments: [
        (#"[]"#, "it is no object"),
        (#""text""#, "it is no object"),
        (#"{}"#, "metadata.resourceVersion is missing"),
        (#"{"metadata":null}"#, "metadata.resourceVersion is missing"),
        (#"{"metadata":{"resourceVersion":""}}"#, "metadata.resourceVersion is missing"),
        (#"{"metadata":{"resourceVersion":7}}"#, "metadata.resourceVersion is no string"),
        (#"{"metadata":[]}"#, "metadata is no object"),
        (#"{"kind":"Status","metadata":{}}"#, "its kind is Status"),
        (#"{"kind":1}"#, "kind is no string"),
        (#"{"metadata":{"resourceVersion":"1"},"spec":[]}"#, "spec is no object"),
        (#"{"metadata":{"resourceVersion":"1"},"spec":"x"}"#, "spec is no object"),
        (
            #"{"metadata":{"resourceVersion":"1"},"spec":{"holderIdentity":5}}"#,
            "spec.holderIdentity is no string"
        ),
        (
            #"{"metadata":{"resourceVersion":"1"},"spec":{"leaseDurationSeconds":"15"}}"#,
            "spec.leaseDurationSeconds is no integer"
        ),
        (
            #"{"metadata":{"resourceVersion":"1"},"spec":{"leaseDurationSeconds":1.5}}"#,
            "spec.leaseDurationSeconds is no integer"
        ),
        (
            #"{"metadata":{"resourceVersion":"1"},"spec":{"leaseTransitions":99999999999999999999}}"#,
            "spec.leaseTransitions is no integer"
        ),
        (
            #"{"metadata":{"resourceVersion":"1"},"spec":{"renewTime":{}}}"#,
            "spec.renewTime is no string"
        ),
        (
            #"{"metadata":{"resourceVersion":"1","annotations":["a"]}}"#,
            "metadata.annotations is no object"
        ),
        (
            #"{"metadata":{"resourceVersion":"1","annotations":{"litefs.io/hostname":true}}}"#,
            "annotation litefs.io/hostname is no string"
        ),
    ])
    func `an object of the wrong form is refused`(text: String, reason: String) throws {
        let object = try JSONValue.parse(text)
        #expect(throws: LeaseObject.Malformed(reason: reason)) { try LeaseObject.stored(object) }
    }

    @Test func `positions that cannot be read are not taken for none`() {
        #expect {
            try foreign("", metadata: #""annotations":{"litefs.io/positions":"a.db=1"}"#)
        } throws: { error in
            "\(error)".contains("litefs.io/positions")
        }
    }
}
