import HTTP
import LTX
import POSIX
import Replication
import Store
import Synchronization
import Testing

@Suite("StreamClient")
struct StreamClientTests {
    @Test func `a new replica gets everything and joins the cluster`() throws {
        let databases = [
            try RecordedDatabase("w.db", transactions: 2), try RecordedDatabase("d.db", transactions: 1),
        ]
        let node = try ServedNode(RecordedPrimary(databases))
        let replica = ConnectedReplica(node.url)
        #expect(replica.client.lag == .unknown)
        try replica.wait { replica.client.status.isReady }
        #expect(replica.target.clusterID == ClusterID("LFSC08D6DC74AF1616E1"))
        for database in databases {
            #expect(replica.target.database(database.name).appliedPosition == database.position)
        }
        #expect(
            replica.lines.contain(
                "00000000000000CD: existing primary found (pod-0), connecting as replica to \\\"\(node.url)\\\""
            )
        )

        try databases[1].commitNext(inMemory: true)
        node.streams.transactionsAppeared(in: databases[1].name)
        let received = replica.target.database(databases[1].name)
        try replica.wait { received.appliedPosition == databases[1].position }
        let isSame = try received.state.withLock { $0.files.last } == RecordedDatabase.file("d.db", 2)
        #expect(isSame)
        try replica.wait { replica.client.lag.isKnown }
        #expect(replica.client.lag.milliseconds < 20_000)
        let metrics = String(decoding: replica.registry.exposition(), as: UTF8.self)
        #expect(
            metrics.contains("litefs_lag_seconds") && metrics.contains("litefs_db_lag_seconds{db=\"d.db\"}")
        )
    }

    @Test func `a replica asks only for what it wants`() throws {
        let wanted = try RecordedDatabase("d.db", name: "50% of it & more.db", transactions: 1)
        let node = try ServedNode(RecordedPrimary([wanted, try RecordedDatabase("w.db", transactions: 1)]))
        let replica = ConnectedReplica(node.url, databases: [wanted.name])
        try replica.wait { replica.client.status.isReady }
        #expect(replica.target.receivingDatabases.map(\.name) == [wanted.name])
    }

    @Test func `a replica comes back to a primary that was restarted, and continues where it was`() throws {
        let database = try RecordedDatabase("d.db", transactions: 1)
        let source = RecordedPrimary([database])
        let first = try ServedNode(source)
        let replica = ConnectedReplica(first.url)
        try replica.wait { replica.client.status.isReady }
        let port = first.http.boundPort
        first.stop()
        try replica.wait { !replica.client.status.isConnected }
        try replica.wait { replica.lines.contain("00000000000000CD: disconnected from primary, retrying") }
        try replica.wait { replica.lines.contain("connect to primary: ") }
        try database.commitNext(inMemory: false)
        let second = try ServedNode(source, address: "127.0.0.1:\(port)")
        let received = replica.target.database(database.name)
        try replica.wait { received.appliedPosition == database.position }
        #expect(received.state.withLock { $0.files.count } == 2)
        withExtendedLifetime(second) {}
    }

    @Test func `a replica of another cluster takes nothing, and is told what to do`() throws {
        let node = try ServedNode(RecordedPrimary([try RecordedDatabase("d.db", transactions: 1)]))
        let replica = ConnectedReplica(node.url, target: RecordedReplica(clusterID: "LFSC0000000000000001"))
        try replica.wait { replica.client.status.lastError != nil }
        let error = try #require(replica.client.status.lastError)
        #expect(
            error.hasPrefix(
                "cannot stream from primary with a different cluster id: LFSC0000000000000001 <> LFSC08D6DC74AF1616E1"
            )
        )
        #expect(replica.target.receivingDatabases.isEmpty)
        #expect(replica.target.clusterID == ClusterID("LFSC0000000000000001"))
    }

    @Test func `a replica that is sent to itself says what is wrong`() throws {
        let node = try ServedNode(RecordedPrimary([]))
        let replica = ConnectedReplica(node.url, target: RecordedReplica(nodeID: 0xAB))
        try replica.wait {
            replica.client.status.lastError?.contains("advertise-url must be the primary's") == true
        }
    }

    @Test func `a primary that is silent counts as dead`() throws {
        let node = try ServedNode(RecordedPrimary([])) { _, _ in HTTPResponse(body: .stream(Silence())) }
        let replica = ConnectedReplica(node.url, silence: .milliseconds(200))
        try replica.wait { replica.client.status.isConnected }
        try replica.wait { !replica.client.status.isConnected }
        try replica.wait { replica.lines.contain("disconnected from primary with error, retrying: ") }
    }

    @Test func `a primary that insists on HTTP 2 gets it`() throws {
        let requests = Mutex(0)
        let node = try ServedNode(RecordedPrimary([])) { request, streams in
            let isFirst = requests.withLock { count in
                count += 1
                return count == 1
            }
            return isFirst ? .error(426, "Upgrade to HTTP/2 required") : streams.handle(request)
        }
        // The server here does not speak it, so the client comes back with HTTP/1.
        let replica = ConnectedReplica(node.url)
        try replica.wait { replica.client.status.isReady }
        #expect(replica.lines.contain("the primary needs HTTP/2"))
        #expect(requests.withLock { $0 } == 2)
    }

    @Test func `garbage in a stream is a reason to connect again`() throws {
        let requests = Mutex(0)
        let node = try ServedNode(RecordedPrimary([try RecordedDatabase("d.db", transactions: 1)])) {
            request,
            streams in
            let isFirst = requests.withLock { count in
                count += 1
                return count == 1
            }
            return isFirst ? .text("http: POST /stream: error: oh\n") : streams.handle(request)
        }
        let replica = ConnectedReplica(node.url)
        try replica.wait { replica.client.status.isReady }
        #expect(replica.lines.contain("retrying: invalid stream frame type: 0x68747470"))
    }

    @Test func `a database that refuses its transactions is left out, and then received as a whole`() throws {
        let good = try RecordedDatabase("w.db", transactions: 1)
        let bad = try RecordedDatabase("d.db", transactions: 1)
        let node = try ServedNode(RecordedPrimary([bad, good]))
        let target = RecordedReplica()
        target.refusing.withLock { _ = $0.insert("d.db") }
        let replica = ConnectedReplica(node.url, target: target)
        // "d.db" comes first and must not keep "w.db" from its content.
        try replica.wait { target.database(good.name).appliedPosition == good.position }
        try replica.wait { !target.database(bad.name).resyncs.isEmpty }
        #expect(replica.lines.contain("connecting again for "))
        target.refusing.withLock { $0.removeAll() }
        try replica.wait { target.database(bad.name).appliedPosition == bad.position }
        #expect(target.database(bad.name).positionForStream == bad.position)
    }

    @Test func `a database that distrusts its position gets all of it again`() throws {
        let database = try RecordedDatabase("d.db", transactions: 2)
        let node = try ServedNode(RecordedPrimary([database]))
        let replica = ConnectedReplica(node.url)
        try replica.wait { replica.client.status.isReady }
        let received = replica.target.database(database.name)
        received.requestResync(reason: "test")
        try replica.wait { received.positionForStream == database.position }
        let isSnapshot = try received.state.withLock { state in
            try state.files.count == 2 && FileReading(state.files[1])?.header.isSnapshot == true
        }
        #expect(isSnapshot)
    }

    @Test func `stopping does not wait for anybody`() throws {
        let node = try ServedNode(RecordedPrimary([])) { _, _ in HTTPResponse(body: .stream(Silence())) }
        let connected = ConnectedReplica(node.url)
        try connected.wait { connected.client.status.isConnected }
        let unreachable = ConnectedReplica("http://127.0.0.1:1")
        try unreachable.wait { unreachable.client.status.lastError != nil }
        let start = MonotonicTime.now
        connected.client.stop()
        unreachable.client.stop()
        #expect(MonotonicTime.now - start < .seconds(3))
    }

    /// A body that says nothing until it is cancelled.
    private final class Silence: ResponseBody {
        private let isCancelled = Guarded(false)

        func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
            isCancelled.withLock { while !$0.pointee { isCancelled.wait() } }
            return 0
        }

        func cancel() {
            isCancelled.withLock { $0.pointee = true }
            isCancelled.wakeAll()
        }
    }
}
