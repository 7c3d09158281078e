import HTTP
import Harness
import JSON
import LTX
import POSIX
import Testing

/// What operators and orchestrators see over HTTP.
@Suite(.serialized, .cluster(), .logsOnFailure)
struct HTTPSurfaceTests {
    @Test
    func `/info has LiteFS's fields and each database's state`() throws {
        let (primary, replica) = try nodes()
        try primary.sqlite3("info.db", "PRAGMA journal_mode=wal; CREATE TABLE t(a); INSERT INTO t VALUES(1);")
        try expectConverged("info.db", primary, replica)
        let (one, other) = (try primary.info(), try replica.info())
        #expect(one["isPrimary"]?.boolean == true && other["isPrimary"]?.boolean == false)
        #expect(one["candidate"]?.boolean == true && other["candidate"]?.boolean == false)
        #expect(one["path"]?.string == primary.mount && other["path"]?.string == replica.mount)
        #expect(other["primary"]?["hostname"]?.string == "primary-host")
        #expect(one["clusterID"]?.string?.hasPrefix("LFSC") == true)
        #expect(one["clusterID"] == other["clusterID"])
        let position = try primary.position("info.db").description
        for info in [one, other] {
            let text = info.description(of: "info.db")
            #expect(text.contains(position) || text.contains(position.prefix(16)), "\(text)")
        }
        let response = try primary.get("/info")
        #expect(response.headers["Litefs-Id"]?.utf8.count == 16)
        #expect(response.headers["Litefs-Cluster-Id"] == one["clusterID"]?.string)
        #expect(String(decoding: response.body, as: UTF8.self).hasSuffix("}\n"))
    }

    @Test
    func `/metrics can be parsed, has LiteFS's names, and counts`() throws {
        let (primary, replica) = try nodes()
        try primary.sqlite3("metrics.db", "CREATE TABLE t(a);")
        try expectConverged("metrics.db", primary, replica)
        let before = try metrics(primary)
        for index in 0..<5 { try primary.sqlite3("metrics.db", "INSERT INTO t VALUES(\(index));") }
        let after = try metrics(primary)
        let commits = "litefs_db_commit_count{db=\"metrics.db\"}"
        #expect((after[commits] ?? 0) == (before[commits] ?? 0) + 5)
        let txid = try primary.position("metrics.db").txid.rawValue
        #expect(after["litefs_db_txid{db=\"metrics.db\"}"] == Double(txid))
        #expect(after["litefs_is_primary"] == 1 && (after["litefs_db_count"] ?? 0) >= 1)
        #expect(after["litefs_subscriber_count"] == 1)
        for name in ["database_write_count", "journal_write_count", "ltx_count", "ltx_bytes"] {
            #expect((after["litefs_db_\(name){db=\"metrics.db\"}"] ?? 0) > 0, "\(name)")
        }
        let other = try metrics(replica)
        #expect(other["litefs_is_primary"] == 0)
        #expect(other["litefs_lag_seconds"] != nil)
    }

    @Test
    func `/export gives a database that SQLite opens, on both nodes`() throws {
        let cluster = try Cluster.current()
        let (primary, replica) = try nodes()
        try primary.sqlite3(
            "export.db",
            "PRAGMA journal_mode=wal; CREATE TABLE t(id INTEGER PRIMARY KEY, b);"
        )
        try primary.sqlite3("export.db", filling(rows: 500, bytes: 1000))
        try expectConverged("export.db", primary, replica)
        for node in [primary, replica] {
            let path = cluster.folder.path + "/exported-" + node.settings.name
            try Files.replace(path, with: try node.export("export.db"))
            let copy = try SQLiteConnection(path)
            #expect(try copy.value("PRAGMA integrity_check") == "ok")
            #expect(try copy.value("SELECT count(*) FROM t") == "500")
        }
        #expect(try primary.get("/export").status == 400)
        #expect(try primary.get("/export?name=unknown.db").status == 404)
        for name in ["..", "%2e%2e%2fclusterid", "a%00b", String(repeating: "x", count: 300), "%ff%fe"] {
            let status = try primary.get("/export?name=" + name).status
            #expect(status == 400 || status == 404, "\(name)")
        }
    }

    @Test
    func `Unknown paths and wrong methods are refused`() throws {
        let (primary, _) = try nodes()
        #expect(try primary.get("/nothing").status == 404)
        #expect(try primary.get("/info", method: "POST").status == 405)
        #expect(try primary.get("/stream").status == 405)
    }

    @Test
    func `A replica cannot be streamed from, and nobody streams from himself`() throws {
        let (primary, replica) = try nodes()
        let client = HTTPClient()
        let stranger = try client.request(
            "POST",
            replica.url("/stream"),
            headers: ["Litefs-Id": "00000000000000AB", "Litefs-Capabilities": "none"],
            body: [0, 0, 0, 0]
        )
        #expect(stranger.status == 503, "\(stranger)")
        let own = try primary.get("/info").headers["Litefs-Id"] ?? ""
        let itself = try client.request(
            "POST",
            primary.url("/stream"),
            headers: ["Litefs-Id": own, "Litefs-Capabilities": "none"],
            body: [0, 0, 0, 0]
        )
        #expect(itself.status == 400 && itself.body == Array("cannot connect to self\n".utf8), "\(itself)")
    }

    @Test
    func `A node is live from the start, and ready when it has caught up`() async throws {
        let (primary, replica) = try nodes()
        for node in [primary, replica] {
            #expect(try node.get("/health/live").status == 200)
            try eventually("ready") { try node.get("/health/ready").status == 200 }
        }
        try await withCluster(isStarted: false) { settings in
            settings.sections["proxy"] = ["max-lag: 500ms"]
        } _: { cluster in
            let (primary, replica) = (cluster.primary, try cluster.replica)
            try replica.start(until: .mounted)
            try eventually("live") { (try? replica.get("/health/live").status) == 200 }
            #expect(try replica.get("/health/ready").status == 503)
            try primary.start()
            try eventually("ready once it has heard from the primary") {
                try replica.get("/health/ready").status == 200
            }
            try primary.stop()
            try eventually("not ready when it is behind") { try replica.get("/health/ready").status == 503 }
            #expect(try replica.get("/health/live").status == 200)
            try primary.start()
            try eventually("ready again") { try replica.get("/health/ready").status == 200 }
        }
    }

    private func nodes() throws -> (DaemonProcess, DaemonProcess) {
        let cluster = try Cluster.current()
        return (cluster.primary, try cluster.replica)
    }

    /// Every sample by name and labels.
    private func metrics(_ node: DaemonProcess) throws -> [String: Double] {
        let response = try node.get("/metrics")
        #expect(response.headers["Content-Type"]?.hasPrefix("text/plain") == true)
        var samples: [String: Double] = [:]
        for line in String(decoding: response.body, as: UTF8.self).split(separator: "\n")
        where !line.hasPrefix("#") {
            let blank = try #require(line.lastIndex(of: " "), "\(line)")
            let value = try #require(Double(line[line.index(after: blank)...]), "\(line)")
            #expect(samples.updateValue(value, forKey: String(line[..<blank])) == nil, "once: \(line)")
        }
        return samples
    }
}

extension JSONValue {
    /// All about a database, wherever it stands.
    fileprivate func description(of database: String) -> String {
        guard case .object(let members) = self else { return "\(self)" }
        return members.filter { "\($0.value)".contains(database) || $0.name == database }
            .map { "\($0.value)" }.joined()
    }
}
