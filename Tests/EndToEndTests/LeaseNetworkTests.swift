import Harness
import JSON
import POSIX
import Testing

/// A primary that is cut off from the API server, from everything, or whose API server says nothing.
///
/// Nodes and API server are in a network of their own.
@Suite(.serialized, .enabled(if: NetworkNamespace.refusal == nil))
struct LeaseNetworkTests {
    private func withNetworkCluster(
        _ count: Int,
        _ namespace: String,
        _ body: (LeaseCluster, KubernetesAPI) throws -> Void
    ) async throws {
        let network = try TestNetwork()
        let api = try KubernetesAPI(at: TestNetwork.hubAddress, in: network.hub)
        defer { try? api.stop() }
        try await withLeaseCluster(count, namespace, of: api, network: network) { try body($0, api) }
    }

    private func port(of node: DaemonProcess, in cluster: LeaseCluster) throws -> NetworkPort {
        let index = try #require(cluster.nodes.firstIndex { $0 === node })
        return cluster.ports[index]
    }

    /// The lease of `former`, which cannot renew it, goes to another node: its commits end before those of the other begin.
    private func expectFailover(
        _ cluster: LeaseCluster,
        from former: DaemonProcess,
        after trouble: BootTime
    ) throws -> DaemonProcess {
        let first = try cluster.firstCommit(after: trouble, except: former)
        let last = try #require(try cluster.writer(of: former).acknowledgments.last)
        print(
            "commits went on for \((last.returned - trouble).seconds) s, and elsewhere from \((first.returned - trouble).seconds) s on"
        )
        #expect(last.returned < first.returned)
        #expect(first.returned - trouble < cluster.duration + .seconds(2))
        try eventually("\(former.settings.name) says that its lease ended") {
            let answer = try former.get("/health/ready")
            return answer.status == 503
                && String(decoding: answer.body, as: UTF8.self).contains("the lease ended")
        }
        #expect(try former.info()["isPrimary"] == .boolean(false))
        return try cluster.primary(except: former)
    }

    @Test
    func `A primary that is cut off from the API server alone refuses writes before another one takes over`()
        async throws
    {
        try await withNetworkCluster(3, "api-cut") { cluster, _ in
            let former = try cluster.primary()
            let port = try port(of: former, in: cluster)
            let trouble = BootTime.now
            try port.lose(to: TestNetwork.hubAddress, true)
            let next = try expectFailover(cluster, from: former, after: trouble)
            // It cannot know who has the lease, so it stays what it is, and acknowledges nothing.
            try port.lose(to: TestNetwork.hubAddress, false)
            try eventually("\(former.settings.name) follows") { former.runLog.contains("primary lease lost") }
            try waitForSamePositionWhileWriting(next, former)
            let missing = try cluster.expectOneHistory()
            print("set aside: \(missing.mapValues(\.count))")
            #expect(missing.keys.allSatisfy { $0 == former.settings.name })
            #expect(try cluster.transitions() == 2)
        }
    }

    @Test
    func
        `A primary that is cut off from everything is followed by another one and its last commits are set aside`()
        async throws
    {
        try await withNetworkCluster(3, "all-cut") { cluster, _ in
            let former = try cluster.primary()
            let port = try port(of: former, in: cluster)
            let trouble = BootTime.now
            try port.cut()
            let next = try expectFailover(cluster, from: former, after: trouble)
            try port.connect()
            try eventually("\(former.settings.name) follows", within: .seconds(20)) {
                former.runLog.contains("primary lease lost")
            }
            try waitForSamePositionWhileWriting(next, former)
            let missing = try cluster.expectOneHistory()
            // It went on writing until its permit ended, and nobody could fetch that.
            print("set aside: \(missing.mapValues(\.count))")
            #expect(missing.keys.sorted() == [former.settings.name])
            #expect(former.log.contains("their files are set aside in"))
            #expect(try former.metric("litefs_db_diverged_count") ?? 0 > 0)
        }
    }

    @Test(arguments: [true, false])
    func `While the API server says nothing nobody writes and then the same primary goes on`(
        isFrozen: Bool
    ) async throws {
        try await withNetworkCluster(3, isFrozen ? "frozen" : "unreachable") { cluster, api in
            let primary = try cluster.primary()
            let daemons = cluster.nodes.map(\.daemonPID)
            let trouble = BootTime.now
            func disturb(_ begins: Bool) throws {
                if isFrozen { return try api.freeze(begins) }
                for (node, port) in zip(cluster.nodes, cluster.ports) where node !== primary {
                    try port.lose(to: TestNetwork.hubAddress, begins)
                }
                // Those who could take the lease find the server again first, and look at it.
                if !begins { pause(.milliseconds(500)) }
                try port(of: primary, in: cluster).lose(to: TestNetwork.hubAddress, begins)
            }
            try disturb(true)
            try eventually("writes are refused") { try !cluster.writer(of: primary).refusals.isEmpty }
            let refused = BootTime.now
            #expect(refused - trouble < cluster.duration)
            // Longer than anybody would wait for a renewal.
            pause(cluster.duration * 2)
            #expect(cluster.writers.allSatisfy { $0.first(after: refused) == nil })
            try disturb(false)
            let first = try cluster.firstCommit(after: refused)
            #expect(first.node == primary.settings.name)
            #expect(try cluster.transitions() == 1)
            #expect(cluster.nodes.map(\.daemonPID) == daemons, "no daemon was replaced")
            let missing = try cluster.expectOneHistory()
            #expect(missing.isEmpty)
        }
    }
}
