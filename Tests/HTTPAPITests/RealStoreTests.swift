import HTTP
import LTX
import Logging
import Metrics
import POSIX
import Replication
import Testing

@testable import HTTPAPI
@testable import Store

/// The API of a real store, without a mount.
@Suite("HTTPAPI of a real store")
struct RealStoreTests {
    @Test func `exports what was committed, and tells about it`() throws {
        let folder = "/tmp/httpapi-\(UInt64.random(in: 0 ... .max))"
        defer { try? Files.removeTree(folder) }
        let registry = MetricsRegistry()
        let store = try Store(
            options: StoreOptions(dataDirectory: folder, isPrimary: true, nodeID: 0xAB),
            logger: .silent,
            registry: registry
        )
        let fixtures = #filePath.split(separator: "/").dropLast(2).map { "/\($0)" }.joined()
        let content = try Files.read(fixtures + "/Fixtures/litefs-0.5.14/export_w.db")
        let database = try store.databaseOrNew(try DatabaseName("w.db"))
        let file = try database.create(.database, mode: 0o644, isOwn: false)
        let journal = try database.create(.journal, mode: 0o644, isOwn: false)
        let header: [UInt8] =
            [0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7] + [UInt8](repeating: 0, count: 504)
        try header.withUnsafeBytes { try database.write(.journal, journal, $0, at: 0, isOwn: false) }
        try content.withUnsafeBytes { try database.write(.database, file, $0, at: 0, isOwn: false) }
        try database.unlink(.journal, isOwn: false)

        let streams = StreamServer(source: store, logger: .silent, registry: registry)
        let api = HTTPAPI(
            store: store,
            streams: streams,
            events: EventHub(isPrimary: true, logger: .silent),
            node: TestNode(),
            registry: registry,
            logger: .silent
        )
        let info = api.handle(HTTPRequest(method: "GET", path: "/info"))
        guard case .bytes(let text) = info.body else {
            Issue.record("no text")
            return
        }
        #expect(String(decoding: text, as: UTF8.self).contains("\"txid\": \"0000000000000001\""))

        let response = api.handle(
            HTTPRequest(method: "GET", path: "/export", query: [(name: "name", value: "w.db")])
        )
        guard case .stream(let body, let length) = response.body else {
            Issue.record("no stream: \(response.status)")
            return
        }
        #expect(length == UInt64(content.count))
        var exported = [UInt8](repeating: 0, count: content.count)
        let count = try exported.withUnsafeMutableBytes { try body.read(into: $0) }
        body.cancel()
        let isSame = count == content.count && exported == content
        #expect(isSame)
        store.close()
    }
}
