import Glibc
import Harness
import JSON
import POSIX

/// A primary and two replicas, each in a network namespace of its own: one is connected directly, one through a proxy.
final class NetworkScene {
    /// What a machine that is busy with other things may add to each time that is promised.
    static let slack = Duration.seconds(1)
    /// The time in which both ends notice that the other is gone, and in which a replica is back when the way is.
    static let promised = Duration.seconds(5)
    static let database = "network.db"

    let cluster: Cluster
    let network: TestNetwork
    let ports: [NetworkPort]
    let proxy: StreamProxy
    let round: Round
    /// Whether the primary keeps its transaction files for so short that who was away needs a snapshot.
    let forgets: Bool
    private var writers = 0
    private var readers = 0

    var primary: DaemonProcess { cluster.primary }
    /// The replica without the proxy.
    var direct: DaemonProcess { cluster.replicas[0] }
    /// The replica behind the proxy.
    var proxied: DaemonProcess { cluster.replicas[1] }
    var primaryPort: NetworkPort { ports[0] }
    var directPort: NetworkPort { ports[1] }

    private init(
        _ cluster: Cluster,
        _ network: TestNetwork,
        _ ports: [NetworkPort],
        _ round: Round,
        forgets: Bool
    ) throws {
        self.forgets = forgets
        self.cluster = cluster
        self.network = network
        self.ports = ports
        self.round = round
        proxy = try StreamProxy(
            in: network.hub,
            at: TestNetwork.hubAddress,
            port: 20_202,
            to: ports[0].address,
            port: cluster.primary.settings.port,
            receiveBuffer: 4096
        )
    }

    /// Makes the nodes, does something with them, and takes everything away.
    ///
    /// - Parameters:
    ///   - round: The round that it is for.
    ///   - replicas: How many replicas there are; the second is behind the proxy.
    ///   - limit: The longest time for `body`.
    ///   - startsReplicas: Whether they are started before `body`, as the primary is.
    ///   - body: What is done.
    /// - Throws: What `body` throws; a `Finding` when there can be no network.
    static func play(
        _ round: Round,
        replicas: Int = 2,
        limit: Duration = .seconds(150),
        startsReplicas: Bool = true,
        _ body: (NetworkScene) throws -> Void
    ) throws {
        if let refusal = NetworkNamespace.refusal { throw Finding(refusal) }
        let network = try TestNetwork()
        let forgets = round.random.next() % 4 == 0
        if forgets { round.tally.add("rounds with short retention") }
        let ports = try (0...replicas).map { try network.port(10 + $0) }
        var number = 0
        try withNodes(replicas: replicas, limit: limit, isStarted: false) { settings in
            settings.host = ports[number].address
            settings.primaryAddress = ports[0].address
            if number == 2, replicas == 2 {
                settings.primaryAddress = TestNetwork.hubAddress
                settings.primaryPort = 20_202
            }
            settings.namespace = ports[number].namespace
            if forgets {
                settings.sections["data"] = ["retention: 1s", "retention-monitor-interval: 300ms"]
            }
            number += 1
        } _: { cluster in
            let scene = try NetworkScene(cluster, network, ports, round, forgets: forgets)
            defer { scene.proxy.stop() }
            try cluster.primary.start()
            if startsReplicas { for replica in cluster.replicas { try replica.start() } }
            try body(scene)
        }
    }

    // MARK: - Load

    /// A program that commits on the primary, with some milliseconds between commits.
    func write(_ count: Int = 1_000_000, pause: Int) throws -> Program {
        writers += 1
        return try Program(
            [
                try Binary.path("workload"), "write", primary.path(Self.database), "wal",
                "\(round.random.next() % 1_000_000)", "mixed", "\(count)", "\(pause)",
            ],
            output: cluster.folder.path + "/writer-\(writers)"
        )
    }

    /// Commits one transaction of some megabytes, in a program that is not waited for.
    func writeMuch(megabytes: Int) throws -> Program {
        writers += 1
        let sql =
            "CREATE TABLE IF NOT EXISTS large(b); DELETE FROM large;"
            + " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(megabytes * 16))"
            + " INSERT INTO large SELECT randomblob(65536) FROM n;"
        return try Program(
            ["sqlite3", "-batch", primary.path(Self.database), ".timeout 20000", "BEGIN; \(sql) COMMIT;"],
            output: cluster.folder.path + "/writer-\(writers)"
        )
    }

    /// Waits until a program that commits a known number has.
    func finish(_ writer: Program, within limit: Duration = .seconds(60)) throws {
        let exit = try writer.waitForExit(within: limit)
        try check(exit == .code(0), "the writer ends well: \(exit) \(writer.output.suffix(500))")
    }

    /// Ends a writer that goes on for ever, which must not have failed.
    func stop(_ writer: Program) throws {
        try check(writer.exit == nil, "the writer runs: \(writer.output.suffix(500))")
        try writer.kill()
        let acknowledged = writer.output.split(separator: "\n").compactMap { Int($0) }.last ?? 0
        let highest = try primary.sqlite3(Self.database, "SELECT max(n) >= \(acknowledged) FROM ledger;")
        try check(highest == "1", "commit \(acknowledged) is there")
        round.tally.add("commits", writer.output.utf8.count { $0 == 10 })
    }

    /// Does something while a program reads on a replica, which must never wait and never see anything that is wrong.
    func whileReading(on replica: DaemonProcess, _ body: () throws -> Void) throws {
        readers += 1
        let stop = cluster.folder.path + "/stop-\(readers)"
        let reader = try Program(
            [try Binary.path("workload"), "read", replica.path(Self.database), stop],
            output: cluster.folder.path + "/reader-\(readers)"
        )
        defer { reader.send(SIGKILL) }
        try body()
        _ = try FileDescriptor.open(stop, [.writeOnly, .create])
        let exit = try reader.waitForExit()
        let words = reader.output.split(separator: "\n").last?.split(separator: " ") ?? []
        try check(
            exit == .code(0) && words.count == 8 && words[3] == "0",
            "nothing is wrong for readers: \(reader.output.suffix(500))"
        )
        let slowest = Int(words[7]) ?? .max
        try check(slowest < 2000, "readers are not blocked; the slowest read took \(slowest) ms")
        round.tally.add("reads", Int(words[1]) ?? 0)
        round.tally.add("slowest read in ms", max(0, slowest - round.tally["slowest read in ms"]))
    }
}
