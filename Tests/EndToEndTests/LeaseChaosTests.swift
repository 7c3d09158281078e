import Glibc
import Harness
import POSIX
import Testing

/// Everything that can happen to nodes under a lease, at random times.
///
/// LITEFS_TEST_CHAOS says for how many seconds; LITEFS_TEST_SEED repeats a run's choices.
@Suite(.serialized, .enabled(if: NetworkNamespace.refusal == nil))
struct LeaseChaosTests {
    /// What is done to a node, or to the API server, and undone after a while.
    private enum Trouble: CaseIterable {
        case kill
        case killDaemon
        case end
        case stop
        case cut
        case cutFromServer
        case freezeServer
    }

    private static let seconds = CurrentProcess.environment("LITEFS_TEST_CHAOS").flatMap { Int($0) } ?? 45

    @Test func `Whatever happens to five candidates there is one history at the end`() async throws {
        var random = Seed.sequence(for: "lease chaos")
        let network = try TestNetwork()
        let api = try KubernetesAPI(at: TestNetwork.hubAddress, in: network.hub)
        defer { try? api.stop() }
        let limit = Duration.seconds(Self.seconds + 120)
        try await withLeaseCluster(5, "chaos", of: api, network: network, limit: limit) { cluster in
            let end = MonotonicTime.now + .seconds(Self.seconds)
            var counts: [String: Int] = [:]
            while .now < end {
                let trouble = Trouble.allCases[Int(random.next() % UInt64(Trouble.allCases.count))]
                // Two of three hit the primary, if there is one.
                let holder = random.next() % 3 == 0 ? "" : try cluster.holder()
                let index = cluster.nodes.firstIndex { $0.settings.name == holder } ?? Int(random.next() % 5)
                let length = Duration.milliseconds(Int64(200 + random.next() % 6_000))
                counts["\(trouble)", default: 0] += 1
                try bring(trouble, to: index, for: length, cluster, api)
                pause(.milliseconds(Int64(100 + random.next() % 2_000)))
            }
            let primary = try cluster.primary(within: .seconds(30))
            let healed = BootTime.now
            _ = try cluster.firstCommit(after: healed)
            let missing = try cluster.expectOneHistory()
            let transitions = try cluster.transitions()
            let commits = try cluster.history().acknowledgments.count
            print(
                "chaos: \(counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")); "
                    + "\(transitions) terms, \(commits) commits, set aside \(missing.mapValues(\.count)), primary \(primary.settings.name)"
            )
            #expect(transitions > 2)
            #expect(commits > 100)
        }
    }

    /// SQLite's logs begin anew every few commits meanwhile, on nodes that were replicas a moment ago.
    @Test func `The lease goes from node to node and what is committed stays whole`() async throws {
        var random = Seed.sequence(for: "lease rounds")
        let api = try KubernetesAPI()
        defer { try? api.stop() }
        try await withLeaseCluster(5, "rounds", of: api, limit: .seconds(130)) { cluster in
            for round in 1...12 {
                let former = try cluster.primary()
                let isKilled = round % 2 == 0
                let trouble = BootTime.now
                if isKilled { try cluster.kill(former) } else { cluster.suspend(former) }
                _ = try cluster.firstCommit(after: trouble, except: former)
                let next = try cluster.primary(except: former)
                pause(.milliseconds(Int64(random.next() % 900)))
                if round % 4 < 2, let daemon = next.daemonPID { Glibc.kill(daemon, SIGKILL) }
                _ = try cluster.firstCommit(after: .now, except: former)
                if isKilled { try cluster.restart(former) } else { cluster.resume(former) }
                pause(.milliseconds(Int64(random.next() % 900)))
                for writer in cluster.writers { try writer.kill() }
                let content = try cluster.primary().sqlite3(LeaseCluster.database, "PRAGMA integrity_check;")
                try check(content == "ok", "the content is whole in round \(round): \(content.prefix(200))")
                for writer in cluster.writers { try writer.start() }
                _ = try cluster.firstCommit(after: .now)
            }
            try cluster.expectOneHistory()
        }
    }

    private func bring(
        _ trouble: Trouble,
        to index: Int,
        for length: Duration,
        _ cluster: LeaseCluster,
        _ api: KubernetesAPI
    ) throws {
        let (node, port) = (cluster.nodes[index], cluster.ports[index])
        print("chaos: \(trouble) \(node.settings.name) for \(length.seconds) s")
        switch trouble {
        case .kill:
            try cluster.kill(node)
            pause(length)
            try cluster.restart(node)
        case .killDaemon:
            if let daemon = node.daemonPID { Glibc.kill(daemon, SIGKILL) }
        case .end:
            try node.stop()
            try cluster.writer(of: node).kill()
            pause(length)
            try cluster.restart(node)
        case .stop:
            cluster.suspend(node)
            pause(length)
            cluster.resume(node)
        case .cut:
            try port.cut()
            pause(length)
            try port.connect()
        case .cutFromServer:
            try port.lose(to: TestNetwork.hubAddress, true)
            pause(length)
            try port.lose(to: TestNetwork.hubAddress, false)
        case .freezeServer:
            try api.freeze(true)
            pause(length)
            try api.freeze(false)
        }
    }
}
