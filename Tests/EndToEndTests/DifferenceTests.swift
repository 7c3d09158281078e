import HTTP
import Harness
import POSIX
import Testing

/// A replica that cannot continue from where it stands gets what differs, and no more.
@Suite(.serialized, .logsOnFailure)
struct DifferenceTests {
    private static let pages = 5000
    private static let fill = """
        PRAGMA journal_mode=wal; CREATE TABLE t(id INTEGER PRIMARY KEY, b);
        INSERT INTO t(b) SELECT randomblob(3000) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE
        i < \(pages)) SELECT i FROM n); PRAGMA wal_checkpoint(TRUNCATE);
        """

    private let name = "a.db"

    /// Nodes that both have a filled database, and keep transactions for so short a time that a replica which was away cannot
    /// continue.
    private func withNodes(
        retention: String = "1s",
        _ body: (_ cluster: Cluster, _ primary: DaemonProcess, _ replica: DaemonProcess) throws -> Void
    ) async throws {
        let set: (inout NodeSettings) -> Void = {
            $0.sections["data"] = ["retention: \(retention)", "retention-monitor-interval: 200ms"]
        }
        try await withCluster(limit: .seconds(120), configure: set) { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            try primary.sqlite3(name, Self.fill)
            try waitForSamePosition(name, primary, replica)
            try body(cluster, primary, replica)
        }
    }

    /// A primary with a filled database, and a replica that is not started yet and reaches it through a proxy.
    private func withProxy(
        _ body: (_ proxy: StreamProxy, _ primary: DaemonProcess, _ replica: DaemonProcess) throws -> Void
    ) async throws {
        let port = try freePort()
        let isBehind: (inout NodeSettings) -> Void = { if !$0.isPrimary { $0.primaryPort = port } }
        try await withCluster(limit: .seconds(120), isStarted: false, configure: isBehind) { cluster in
            let proxy = try StreamProxy(port: port, port: cluster.primary.settings.port)
            defer { proxy.stop() }
            try cluster.primary.start()
            try cluster.primary.sqlite3(name, Self.fill)
            try body(proxy, cluster.primary, try cluster.replica)
        }
    }

    /// Pages that the primary sent as differences.
    private func sent(_ primary: DaemonProcess) -> [Int] {
        primary.log.split(separator: "\n")
            .compactMap { line in
                // `… ID: 53 of 5012 pages differ @ …`
                let words = line.split(separator: " ")
                guard let place = words.firstIndex(of: "differ"), place >= 4, words[place - 1] == "pages"
                else { return nil }
                return Int(words[place - 4])
            }
    }

    private func snapshots(_ primary: DaemonProcess, _ name: String) -> Int {
        primary.log.split(separator: "\n").count { $0.contains("writing snapshot \\\"\(name)") }
    }

    /// Whether something is left of a snapshot that broke off.
    private func leavesPart(_ node: DaemonProcess) throws -> Bool {
        try Files.list(node.settings.dataFolder + "/dbs/\(name)").contains { $0.name.contains(".part") }
    }

    private func files(_ node: DaemonProcess, _ name: String) throws -> [String] {
        try Files.list(node.settings.dataFolder + "/dbs/\(name)/ltx").map(\.name)
    }

    @Test
    func `A replica that was away for longer than retention gets the pages that differ`() async throws {
        try await withNodes { _, primary, replica in
            let whole = snapshots(primary, name)
            try replica.stop()
            let changes = "UPDATE t SET b = randomblob(3000) WHERE id % 100 = 7;"
            try primary.sqlite3(name, changes)
            let before = try primary.position(name)
            try eventually("the transaction is gone") {
                try primary.sqlite3(name, "INSERT INTO t(b) VALUES('later');")
                return try !files(primary, name).contains { $0.contains("\(before.txid)") }
            }
            try replica.start()
            try expectConverged(name, primary, replica, isReplayed: false)
            let pages = try #require(sent(primary).first)
            #expect((50...250).contains(pages), "\(pages) pages")
            #expect(snapshots(primary, name) == whole)
            #expect(replica.runLog.contains("difference received for"))
            // It goes on as ever.
            try primary.sqlite3(name, "DELETE FROM t WHERE id > 4000; VACUUM;")
            try expectConverged(name, primary, replica, isReplayed: false)
            try replica.stop()
            try replica.start()
            try expectConverged(name, primary, replica, isReplayed: false)
        }
    }

    @Test
    func `A primary whose disk was restored takes its replicas back by what differs`() async throws {
        try await withNodes(retention: "10m") { cluster, primary, replica in
            try primary.stop()
            let copy = cluster.folder.path + "/copy"
            try cluster.run(["cp", "-a", primary.settings.dataFolder, copy])
            try primary.start()
            try primary.sqlite3(
                name,
                "UPDATE t SET b = randomblob(3000) WHERE id % 100 = 7; DELETE FROM t WHERE id > 4900;"
            )
            try waitForSamePosition(name, primary, replica)
            let whole = snapshots(primary, name)
            try primary.stop()
            try cluster.run(["rm", "-rf", primary.settings.dataFolder])
            try cluster.run(["cp", "-a", copy, primary.settings.dataFolder])
            try primary.start()
            try expectConverged(name, primary, replica, isReplayed: false)
            #expect(try replica.sqlite3(name, "SELECT count(*) FROM t;") == "\(Self.pages)")
            #expect(snapshots(primary, name) == whole)
            let pages = try #require(sent(primary).last)
            #expect((50...400).contains(pages), "\(pages) pages")
        }
    }

    @Test
    func `A replica that lost its records keeps its content and gets what differs`() async throws {
        try await withNodes(retention: "10m") { cluster, primary, replica in
            let whole = snapshots(primary, name)
            try replica.kill()
            let folder = replica.settings.dataFolder + "/dbs/" + name
            try cluster.run(["sh", "-c", "rm -f \(folder)/checksums \(folder)/ltx/*"])
            try primary.sqlite3(name, "UPDATE t SET b = randomblob(3000) WHERE id % 500 = 7;")
            try replica.start()
            try expectConverged(name, primary, replica, isReplayed: false)
            #expect(snapshots(primary, name) == whole)
            #expect(sent(primary).last.map { (3...50).contains($0) } ?? false, "\(sent(primary)) pages")
        }
    }

    @Test
    func `What cannot be compared is sent whole`() async throws {
        try await withNodes(retention: "10m") { cluster, primary, replica in
            try replica.kill()
            let folder = replica.settings.dataFolder + "/dbs/" + name
            try cluster.run(["sh", "-c", "rm -f \(folder)/checksums \(folder)/ltx/*"])
            try primary.sqlite3(name, "PRAGMA journal_mode=delete; PRAGMA page_size=8192; VACUUM;")
            let whole = snapshots(primary, name)
            try replica.start()
            try expectConverged(name, primary, replica, isReplayed: false)
            #expect(snapshots(primary, name) == whole + 1)
        }
    }

    @Test
    func `Differences are right while the primary is being written, and when the connection breaks`()
        async throws
    {
        try await withNodes { cluster, primary, replica in
            let writer = try Program(
                [
                    try Binary.path("workload"), "write", primary.path("other.db"), "wal", "7", "mixed",
                    "100000",
                ],
                output: cluster.folder.path + "/writer"
            )
            defer { try? writer.kill() }
            let busy = try primary.open(name)
            for round in 1...3 {
                try replica.kill()
                let end = MonotonicTime.now + .milliseconds(1500)
                var number = 0
                while MonotonicTime.now < end {
                    number += 1
                    try busy.run("UPDATE t SET b = randomblob(3000) WHERE id % 1000 = \(number % 1000)")
                }
                try replica.start(until: .running)
                // In the middle of it, perhaps.
                if round == 2 {
                    pause(.milliseconds(Int64.random(in: 100...600)))
                    try replica.kill()
                    try replica.start(until: .running)
                }
                for number in 0..<200 { try busy.run("UPDATE t SET b = \(number) WHERE id = \(number * 7)") }
                try replica.wait(for: .ready)
                try waitForSamePosition(name, primary, replica)
            }
            busy.close()
            try writer.kill()
            try expectConverged(name, primary, replica, isReplayed: false)
            try expectConverged("other.db", primary, replica, isReplayed: false)
            #expect(!sent(primary).isEmpty)
        }
    }

    @Test(arguments: [
        ("/difference", 400, "name a database"), ("/difference?db=none.db", 404, "database not found"),
        ("/difference?db=%2F", 400, "db:"),
    ])
    func `Requests that are none are refused`(path: String, status: Int, text: String) async throws {
        try await withNodes { _, primary, _ in
            func post(_ path: String, _ headers: HTTPHeaders, _ body: [UInt8]) throws -> HTTPClient.Response {
                try HTTPClient()
                    .request(
                        "POST",
                        "http://127.0.0.1:\(primary.settings.port)\(path)",
                        headers: headers,
                        body: body
                    )
            }
            var body: [UInt8] = [0x4C, 0x46, 0x50, 0x43, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0]
            body += [0x80, 0, 0, 0, 0, 0, 0, 0]
            let headers: HTTPHeaders = ["Litefs-Id": "00000000000000AB"]
            let answer = try post(path, headers, body)
            #expect(answer.status == status && String(decoding: answer.body, as: UTF8.self).contains(text))
            #expect(try post(path, [:], body).status == 400)
            body[0] = 0
            #expect(try post("/difference?db=a", headers, body).status == 400)
        }
    }

    /// What came before the connection broke does not come again, whatever was written to the primary meanwhile.
    @Test(arguments: [[7_000_000], [5_000_000, 4_000_000], [7_000_000, 100_000]])
    func `A snapshot that breaks off goes on from there`(cuts: [Int]) async throws {
        try await withProxy { proxy, primary, replica in
            let pages = try Int(Files.status(primary.path(name)).size / 4096)
            // The questions of a replica that has something are answered with some bytes.
            var planned = [StreamProxy.Cut(isAnswer: true, bytes: cuts[0], isReset: true)]
            for bytes in cuts.dropFirst() {
                planned.append(StreamProxy.Cut(isAnswer: true, bytes: bytes, isReset: false))
            }
            proxy.cut(planned)
            let changed = try primary.open(name)
            try replica.start(until: .mounted)
            try eventually("it breaks off") { replica.log.contains("going on with the") }
            try changed.run(
                "UPDATE t SET b = randomblob(3000) WHERE id % 100 = 7; INSERT INTO t(b) VALUES('x')"
            )
            changed.close()
            try expectConverged(name, primary, replica)
            #expect(snapshots(primary, name) == 1)
            let sent = sent(primary)
            // What was on its way when the connection was reset is lost, too.
            #expect(sent.last ?? .max < pages - cuts[0] / 4096 + 1000, "\(sent) of \(pages) pages")
            #expect(try !leavesPart(replica))
            // It is a database like any other.
            try primary.sqlite3(name, "DELETE FROM t WHERE id % 2 = 0;")
            try expectConverged(name, primary, replica)
            try replica.stop()
            try replica.start()
            try expectConverged(name, primary, replica)
        }
    }

    @Test
    func `What came of a snapshot is given up with the database, and at the next start`() async throws {
        try await withProxy { proxy, primary, replica in
            proxy.cut([StreamProxy.Cut(isAnswer: true, bytes: 7_000_000, isReset: true)])
            try replica.start(until: .mounted)
            try eventually("it breaks off") { replica.log.contains("disconnected from primary") }
            try replica.kill()
            try replica.start()
            try expectConverged(name, primary, replica)

            try replica.stop()
            try Files.removeTree(replica.settings.dataFolder)
            proxy.cut([StreamProxy.Cut(isAnswer: true, bytes: 7_000_000, isReset: true)])
            try replica.start(until: .mounted)
            try eventually("it breaks off") { replica.runLog.contains("disconnected from primary") }
            try Files.unlink(primary.path(name))
            try primary.sqlite3(name, "CREATE TABLE other(a); INSERT INTO other VALUES('new');")
            try expectConverged(name, primary, replica)
            #expect(try !leavesPart(replica))
        }
    }
}
