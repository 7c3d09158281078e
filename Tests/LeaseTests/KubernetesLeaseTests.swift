import HTTP
import Harness
import JSON
import LTX
import Lease
import POSIX
import Synchronization
import Testing

/// Against a real API server.
@Suite(.serialized, .kubernetes) struct KubernetesLeaseTests {
    private func record(_ holder: String) -> LeaseRecord {
        var record = LeaseRecord()
        record.holder = holder
        record.hostname = holder
        record.advertiseURL = "http://\(holder).app:20202"
        record.pod = holder
        record.clusterID = "LFSC0123456789ABCDEF"
        record.positions = ["a b.db": Position(txid: TXID(9), postApply: Checksum(rawValue: 1 << 63 | 7))]
        return record
    }

    @Test func `a record is created, read, replaced, and never written over another`() throws {
        let account = try KubernetesAccount("one", of: .current())
        let lease = try KubernetesLease(.init(account))
        #expect(lease.name == "Lease one/app")
        #expect(try lease.read() == nil)

        let first = try lease.create(record("app-0"))
        var expected = record("app-0")
        #expect(first.record.acquired.count == 27)
        #expect(first.record.renewed == first.record.acquired)
        expected.acquired = first.record.acquired
        expected.renewed = first.record.renewed
        #expect(first.record == expected)
        #expect(try lease.read() == first)
        #expect(failure { () throws(LeaseError) in _ = try lease.create(record("app-1")) } == .conflict)

        var renewed = first.record
        renewed.takeover = "app-1"
        let second = try lease.replace(first, by: renewed)
        #expect(second.version != first.version)
        #expect(second.record.acquired == first.record.acquired)
        #expect(second.record.renewed > first.record.renewed)
        #expect(second.record.takeover == "app-1")
        #expect(
            failure { () throws(LeaseError) in _ = try lease.replace(first, by: record("app-1")) }
                == .conflict
        )

        var taken = record("app-1")
        taken.transitions = 1
        let third = try lease.replace(second, by: taken)
        #expect(third.record.acquired == third.record.renewed)
        #expect(third.record.takeover == "")

        let freed = try lease.replace(third, by: LeaseRecord())
        #expect(freed.record.holder == "")
        #expect(freed.record.positions == [:])
        #expect(try lease.read() == freed)
    }

    @Test func `a record that was deleted, or deleted and made anew, is not replaced`() throws {
        let account = try KubernetesAccount("deleted", of: .current())
        let lease = try KubernetesLease(.init(account))
        let first = try lease.create(record("app-0"))
        try account.api.demand("DELETE", account.leasePath("app"))
        #expect(try lease.read() == nil)
        #expect(
            failure { () throws(LeaseError) in _ = try lease.replace(first, by: first.record) } == .conflict
        )
        #expect(try lease.read() == nil)
        let second = try lease.create(record("app-1"))
        #expect(
            failure { () throws(LeaseError) in _ = try lease.replace(first, by: first.record) } == .conflict
        )
        #expect(try lease.read() == second)
    }

    @Test func `of eight who replace it at once one succeeds`() throws {
        let account = try KubernetesAccount("race", of: .current())
        let rounds = 200
        let leases = try (0..<8).map { _ in try KubernetesLease(.init(account)) }
        var stored = try leases[0].create(LeaseRecord())
        for round in 1...rounds {
            let winners = Mutex<[StoredLease]>([])
            let others = Mutex<[LeaseError]>([])
            let start = stored
            let threads = leases.enumerated()
                .map { number, lease in
                    Thread("racer") {
                        var record = start.record
                        record.holder = "node-\(number)"
                        record.transitions += 1
                        do throws(LeaseError) {
                            let won = try lease.replace(start, by: record)
                            winners.withLock { $0.append(won) }
                        } catch {
                            others.withLock { $0.append(error) }
                        }
                    }
                }
            for thread in threads { thread.join() }
            let won = winners.withLock { $0 }
            try #require(won.count == 1, "round \(round): \(others.withLock { $0 })")
            #expect(others.withLock { $0 } == Array(repeating: .conflict, count: 7))
            stored = try #require(try leases[round % 8].read())
            #expect(stored == won[0])
            #expect(stored.record.transitions == Int64(round))
        }
    }

    @Test func `labels, annotations and owners of others survive`() throws {
        let account = try KubernetesAccount("others", of: .current())
        let lease = try KubernetesLease(.init(account))
        _ = try lease.create(record("app-0"))
        try account.makePod("owner")
        let uid = try #require(
            try account.api.demand("GET", account.podPath("owner"))["metadata"]?["uid"]?.string
        )
        try account.api.demand(
            "PATCH",
            account.leasePath("app"),
            #"""
            {"metadata":{"labels":{"team":"data"},"annotations":{"example.com/note":"keep <me>","litefs.io/takeover":"app-1"},
            "ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"owner","uid":"\#(uid)"}]}}
            """#
        )
        let read = try #require(try lease.read())
        #expect(read.record.takeover == "app-1")
        let written = try lease.replace(read, by: record("app-1"))
        #expect(written.record.takeover == "")
        let metadata = try account.api.demand("GET", account.leasePath("app"))["metadata"]
        #expect(metadata?["labels"]?["team"]?.string == "data")
        #expect(metadata?["annotations"]?["example.com/note"]?.string == "keep <me>")
        #expect(metadata?["annotations"]?["litefs.io/takeover"] == nil)
        #expect(metadata?["annotations"]?["litefs.io/hostname"]?.string == "app-1")
        #expect(metadata?["ownerReferences"]?[0]?["uid"]?.string == uid)
    }

    @Test func `the lease of another tool is read and can be taken`() throws {
        let account = try KubernetesAccount("tool", of: .current())
        let lease = try KubernetesLease(.init(account))
        let leases = String(account.leasePath("").dropLast())
        try account.api.demand("POST", leases, #"{"metadata":{"name":"app"},"spec":{}}"#)
        let bare = try #require(try lease.read())
        #expect(bare.record == LeaseRecord())
        try account.api.demand(
            "PATCH",
            account.leasePath("app"),
            #"{"spec":{"holderIdentity":"tool","leaseDurationSeconds":100000,"leaseTransitions":2}}"#
        )
        let held = try #require(try lease.read())
        #expect(held.record.holder == "tool")
        #expect(held.record.duration == .seconds(3_600))
        var mine = record("app-0")
        mine.transitions = 3
        #expect(try lease.replace(held, by: mine).record.transitions == 3)
    }

    @Test func `as many positions as are kept fit into an object`() throws {
        let account = try KubernetesAccount("many", of: .current())
        let lease = try KubernetesLease(.init(account))
        var many = record("app-0")
        for number in 0..<10_000 {
            many.positions["tenant \(number).db"] = Position(txid: TXID(UInt64(number)), postApply: .empty)
        }
        let stored = try lease.create(many)
        #expect(stored.record.positions.count > 3_000)
        #expect(try lease.read() == stored)
    }

    @Test func `a pod gets the label and loses it`() throws {
        let account = try KubernetesAccount("pods", of: .current())
        let lease = try KubernetesLease(.init(account))
        try account.makePod("app-0", labels: #"{"app":"x"}"#)
        try lease.label(pod: "app-0", isPrimary: true)
        #expect(try account.labels(ofPod: "app-0") == ["app": "x", "litefs.io/role": "primary"])
        try lease.label(pod: "app-0", isPrimary: false)
        #expect(try account.labels(ofPod: "app-0") == ["app": "x", "litefs.io/role": "replica"])
        let missing = failure { () throws(LeaseError) in try lease.label(pod: "app-9", isPrimary: true) }
        #expect(
            missing?.isRefusal("cannot label pod pods/app-9", "not found", "lease.kubernetes.pod") == true
        )
    }

    // MARK: - Who is let in

    @Test func `the token is read for each request, so one that is replaced and revoked does no harm`() throws
    {
        let account = try KubernetesAccount("tokens", of: .current())
        let lease = try KubernetesLease(.init(account))
        let first = try lease.create(record("app-0"))
        let (old, new) = (text(of: account.tokenFile), try account.makeToken("second"))
        try account.revokeToken("first")
        try eventually("the old token is revoked", within: .seconds(30)) {
            try account.api.ask("GET", account.leasePath("app"), token: old).status == 401
        }
        let refused = failure { () throws(LeaseError) in _ = try lease.read() }
        #expect(refused?.isRefusal("cannot read Lease tokens/app", "401", account.tokenFile) == true)
        try account.use(new + "\n")
        let second = try lease.replace(first, by: record("app-0"))
        #expect(try lease.read() == second)
    }

    @Test func `without a token the server is not asked, and the file is named`() throws {
        let account = try KubernetesAccount("empty", of: .current())
        let lease = try KubernetesLease(.init(account))
        for content in ["", " \n", "a\u{1}b"] {
            try account.use(content)
            let error = failure { () throws(LeaseError) in _ = try lease.read() }
            #expect(error?.isRefusal(account.tokenFile, "lease.kubernetes.token-file") == true)
        }
        try Files.unlink(account.tokenFile)
        let missing = failure { () throws(LeaseError) in try lease.label(pod: "app-0", isPrimary: true) }
        #expect(missing?.isRefusal("cannot label pod", account.tokenFile, "cannot be read") == true)
        try account.use("nonsense")
        let nonsense = failure { () throws(LeaseError) in _ = try lease.read() }
        #expect(nonsense?.isRefusal("401, Unauthorized", account.tokenFile) == true)
    }

    @Test func `what the account may not do is said with the rule that it needs`() throws {
        let account = try KubernetesAccount("forbidden", of: .current())
        let lease = try KubernetesLease(.init(account))
        let stored = try lease.create(record("app-0"))
        try account.makePod("app-0")
        try account.api.demand(
            "DELETE",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/forbidden/rolebindings/node"
        )
        try eventually("the server forbids") {
            failure { () throws(LeaseError) in _ = try lease.read() }?.isRefusal("403") == true
        }
        let rule = "{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}"
        let calls: [(String, String, LeaseError?)] = [
            ("verb get of leases", rule, failure { () throws(LeaseError) in _ = try lease.read() }),
            (
                "verb create of leases", rule,
                failure { () throws(LeaseError) in _ = try lease.create(stored.record) }
            ),
            (
                "verb update of leases", rule,
                failure { () throws(LeaseError) in _ = try lease.replace(stored, by: stored.record) }
            ),
            (
                "verb patch of pods", #"{apiGroups: [""], resources: [pods], verbs: [get, patch]}"#,
                failure { () throws(LeaseError) in try lease.label(pod: "app-0", isPrimary: true) }
            ),
        ]
        for (verb, rule, error) in calls {
            #expect(
                error?
                    .isRefusal(
                        verb,
                        "in namespace forbidden",
                        rule,
                        "system:serviceaccount:forbidden:node",
                        "Role"
                    ) == true
            )
        }
    }

    @Test func `a namespace, a path or a name that cannot be is refused`() throws {
        let api = try KubernetesAPI.current()
        var options = KubernetesLease.Options(name: "app")
        options.url = api.url + "/"
        options.caFile = api.certificate
        options.tokenFile = try api.administratorToken()
        options.namespace = "nowhere"
        let nowhere = try KubernetesLease(options)
        #expect(try nowhere.read() == nil)
        let error = failure { () throws(LeaseError) in _ = try nowhere.create(record("app-0")) }
        #expect(error?.isRefusal(#"namespaces "nowhere" not found"#, "lease.kubernetes.namespace") == true)

        options.url = api.url + "/elsewhere"
        let elsewhere = try KubernetesLease(options)
        let path = failure { () throws(LeaseError) in _ = try elsewhere.read() }
        #expect(path?.isRefusal("404", "lease.kubernetes.url") == true)

        options.url = api.url
        options.namespace = "default"
        options.name = "No_Name"
        let unnamed = try KubernetesLease(options)
        let name = failure { () throws(LeaseError) in _ = try unnamed.create(record("app-0")) }
        #expect(name?.isRefusal("422", "No_Name") == true)
    }

    @Test func `a server for which another authority vouches is not asked`() throws {
        let account = try KubernetesAccount("authority", of: .current())
        var options = KubernetesLease.Options(account)
        options.caFile = account.credentials + "/missing.crt"
        let lease = try KubernetesLease(options)
        let missing = failure { () throws(LeaseError) in _ = try lease.read() }
        #expect(missing?.isRefusal(options.caFile, "lease.kubernetes.ca-file") == true)
        options.caFile = "/etc/ssl/certs/ca-certificates.crt"
        let system = failure { () throws(LeaseError) in _ = try KubernetesLease(options).read() }
        #expect(system?.isRefusal(options.caFile, "lease.kubernetes.ca-file") == true)
    }
}
