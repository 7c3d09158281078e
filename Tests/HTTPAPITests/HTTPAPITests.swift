import HTTP
import LTX
import Logging
import Metrics
import POSIX
import Replication
import SQLiteFormat
import Synchronization
import Testing

@testable import HTTPAPI
@testable import Store

@Suite("HTTPAPI")
struct HTTPAPITests {
    private func get(
        _ api: HTTPAPI,
        _ path: String,
        name: String? = nil,
        method: String = "GET"
    ) -> HTTPResponse {
        let query = name.map { [(name: "name", value: $0)] } ?? []
        return api.handle(HTTPRequest(method: method, path: path, query: query))
    }

    private func text(_ response: HTTPResponse) -> String? {
        if case .bytes(let bytes) = response.body { String(decoding: bytes, as: UTF8.self) } else { nil }
    }

    @Test func `info has LiteFS's members first, and then the databases`() throws {
        let node = TestNode()
        let api = node.api()
        let body = try #require(text(get(api, "/info")))
        #expect(
            body.hasPrefix(
                """
                {
                  "clusterID": "LFSC08D6DC74AF1616E1",
                  "isPrimary": false,
                  "candidate": true,
                  "path": "/litefs",
                  "primary": {
                    "hostname": "pod-0"
                  },
                """
            )
        )
        #expect(body.hasSuffix("}\n"))
        #expect(
            body.contains(
                """
                    {
                      "name": "a.db",
                      "position": {
                        "txid": "0000000000000007",
                        "checksum": "8000000000000005"
                      },
                      "pageCount": 3,
                      "pageSize": 512,
                      "journalMode": "wal",
                      "timestamp": 1234,
                      "walBytes": 99,
                      "isMounted": true,
                      "lag": 0,
                      "faults": [
                        "out of order"
                      ]
                    }
                """
            )
        )
    }

    @Test func `info leaves out the cluster ID while there is none`() throws {
        let node = TestNode()
        node.source.cluster.withLock { $0 = nil }
        let response = get(node.api(), "/info")
        #expect(try #require(text(response)).hasPrefix("{\n  \"isPrimary\""))
        #expect(response.headers["Litefs-Cluster-Id"] == nil)
    }

    @Test(arguments: [
        "/info", "/metrics", "/export", "/health/live", "/health/ready", "/health/startup", "/nowhere",
    ])
    func `every answer says who the node is`(path: String) {
        let response = get(TestNode().api(), path)
        #expect(response.headers["Litefs-Id"] == "00000000000000AB")
        #expect(response.headers["Litefs-Cluster-Id"] == "LFSC08D6DC74AF1616E1")
    }

    @Test func `unknown paths and methods are answered in LiteFS's words`() {
        let api = TestNode().api()
        #expect(get(api, "/nowhere").status == 404)
        #expect(text(get(api, "/nowhere")) == "404 page not found\n")
        for (method, path) in [("POST", "/info"), ("GET", "/stream"), ("DELETE", "/export")] {
            let response = get(api, path, method: method)
            #expect(response.status == 405)
            #expect(text(response) == "method not allowed\n")
        }
    }

    @Test func `metrics are Prometheus text`() {
        let response = get(TestNode().api(), "/metrics")
        #expect(response.headers["Content-Type"]?.hasPrefix("text/plain; version=0.0.4") == true)
        #expect(text(response)?.contains("litefs_http_stream_count 0\n") == true)
    }

    @Test func `an export is the pages in order, of the announced length`() throws {
        let node = TestNode()
        let response = get(node.api(), "/export", name: "a.db")
        guard case .stream(let body, let length) = response.body else {
            Issue.record("no stream")
            return
        }
        #expect(response.status == 200 && length == 1536)
        var exported: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 700)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try body.read(into: $0) }
            if count == 0 { break }
            exported += buffer[..<count]
        }
        body.cancel()
        let isSame = exported == [1, 2, 3].flatMap { [UInt8](repeating: $0, count: 512) }
        #expect(isSame)
    }

    @Test func `an export that cannot be made is refused`() {
        let node = TestNode()
        let api = node.api()
        #expect(get(api, "/export").status == 400)
        #expect(text(get(api, "/export")) == "name required\n")
        #expect(text(get(api, "/export", name: "")) == "name required\n")
        for name in ["b.db", "../etc/passwd", "a.db-wal"] {
            #expect(get(api, "/export", name: name).status == 404)
            #expect(text(get(api, "/export", name: name)) == "database not found\n")
        }
        node.database.failure.withLock { $0 = .unknownDatabase("a.db") }
        #expect(get(api, "/export", name: "a.db").status == 404)
        node.database.failure.withLock { $0 = .closing }
        #expect(get(api, "/export", name: "a.db").status == 500)
        #expect(text(get(api, "/export", name: "a.db")) == "write snapshot: the node is shutting down\n")
    }

    @Test func `an export that breaks off is cut off`() throws {
        let node = TestNode()
        node.database.isBroken.withLock { $0 = true }
        guard case .stream(let body, _) = get(node.api(), "/export", name: "a.db").body else {
            Issue.record("no stream")
            return
        }
        var buffer = [UInt8](repeating: 0, count: 700)
        #expect(throws: StoreError.self) { try buffer.withUnsafeMutableBytes { try body.read(into: $0) } }
    }

    @Test func `a node is alive as long as it answers`() {
        #expect(text(get(TestNode().api(), "/health/live")) == "ok\n")
    }

    @Test func `a node is ready when it is mounted and, on a replica, not too far behind`() {
        let node = TestNode()
        let api = node.api()
        func ready() -> (Int, String?) {
            let response = get(api, "/health/ready")
            return (response.status, text(response))
        }
        #expect(ready() == (200, "ready\n"))
        node.set { $0.isMounted = false }
        #expect(ready() == (503, "not ready: /litefs is not mounted yet\n"))
        node.set {
            $0.isMounted = true
            $0.lag = .unknown
            $0.connectionError = "no route"
        }
        #expect(ready() == (503, "not ready: this replica never had everything from its primary; no route\n"))
        node.source.primary.withLock { $0 = true }
        #expect(ready() == (200, "ready\n"))
    }

    @Test func `a primary whose lease ended says so, and is none that can be used for writing`() throws {
        let node = TestNode()
        let api = node.api()
        node.source.primary.withLock { $0 = true }
        #expect(try #require(text(get(api, "/info"))).contains(#""isPrimary": true"#))
        node.set { $0.leaseProblem = "the lease ended 3 s ago, so writes are refused" }
        let ready = get(api, "/health/ready")
        #expect(ready.status == 503)
        #expect(text(ready) == "not ready: the lease ended 3 s ago, so writes are refused\n")
        let info = try #require(text(get(api, "/info")))
        #expect(info.contains(#""isPrimary": false"#))
        #expect(info.contains(#""leaseProblem": "the lease ended 3 s ago, so writes are refused""#))
        #expect(get(api, "/health/startup").status == 200)
    }

    @Test func `programs may start on a replica that has content, before it knows what the primary has`() {
        let node = TestNode()
        let api = node.api()
        func startup() -> Int { get(api, "/health/startup").status }
        node.set { $0.lag = .unknown }
        #expect(get(api, "/health/ready").status == 503)
        #expect(startup() == 200)
        node.set { $0.isMounted = false }
        #expect(startup() == 503)
        node.set { $0.isMounted = true }
        node.database.isEmpty.withLock { $0 = true }
        #expect(startup() == 503)
    }

    @Test func `a stream is answered by the stream server`() {
        let response = get(TestNode().api(), "/stream", method: "POST")
        #expect(response.status == 426)
        #expect(text(response) == "Upgrade to HTTP/2 required\n")
    }
}
