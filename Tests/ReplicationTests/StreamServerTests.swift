import HTTP
import LTX
import POSIX
import Replication
import Store
import Testing

@Suite("StreamServer")
struct StreamServerTests {
    private func position(_ recorded: String, _ txid: UInt64) throws -> Position {
        let content = try #require(try FileReading(try RecordedDatabase.file(recorded, txid)))
        return Position(txid: TXID(txid), postApply: content.trailer.postApply)
    }

    private func text(_ response: HTTPResponse) -> String? {
        if case .bytes(let bytes) = response.body { String(decoding: bytes, as: UTF8.self) } else { nil }
    }

    @Test(arguments: [true, false]) func `a client without databases gets snapshots, then Ready`(
        compress: Bool
    ) throws {
        let databases = [
            try RecordedDatabase("w.db", transactions: 4), try RecordedDatabase("d.db", transactions: 3),
            try RecordedDatabase("k1.db", transactions: 3),
        ]
        let served = ServedStream(RecordedPrimary(databases), compress: compress)
        let stream = try served.open()
        try stream.readUntilReady()

        #expect(stream.reading.files.map(\.name.text) == ["d.db", "k1.db", "w.db"])
        for (file, database) in zip(stream.reading.files, [databases[1], databases[2], databases[0]]) {
            let content = try #require(try FileReading(file.bytes))
            #expect(content.header.isSnapshot && content.header.isCompressed == compress)
            #expect(content.header.maxTXID == database.position.txid && content.header.nodeID == 0xAB)
            #expect(content.trailer.postApply == database.position.postApply)
            #expect(database.state.withLock { $0.snapshots == 1 && $0.snapshotsEnded == 1 })
        }
        #expect(served.lines.contain("starting from txid 0000000000000001, writing snapshot"))
        #expect(served.lines.contain("00000000000000CD: stream connected (10.0.0.7:1)"))
        #expect(served.metrics.contains("litefs_http_frame_send_count{db=\"d.db\",type=\"ltx:snapshot\"} 1"))
        #expect(served.metrics.contains("litefs_http_stream_count 1"))
    }

    @Test func `the stream is the same however small the reads are`() throws {
        let source = RecordedPrimary([try RecordedDatabase("k1.db", transactions: 3)])
        let served = ServedStream(source)
        let large = try served.open()
        try large.readUntilReady()
        for size in [1, 2, 7, 511, 513, 4099] {
            let small = try served.open()
            try small.readUntilReady(bufferSize: size)
            let isSame = small.reading.files.map(\.bytes) == large.reading.files.map(\.bytes)
            #expect(isSame)
        }
    }

    @Test func `a client that lags gets the files that it lacks, as they are`() throws {
        let database = try RecordedDatabase("d.db", transactions: 3)
        let served = ServedStream(RecordedPrimary([database]))
        let stream = try served.open(ServedStream.request([database.name: try position("d.db", 1)]))
        try stream.readUntilReady()
        let isSame =
            try stream.reading.files.map(\.bytes)
            == [RecordedDatabase.file("d.db", 2), RecordedDatabase.file("d.db", 3)]
        #expect(isSame)
        #expect(served.metrics.contains("litefs_http_frame_send_count{db=\"d.db\",type=\"ltx\"} 2"))
    }

    @Test(arguments: [true, false]) func `new transactions are sent when they appear`(inMemory: Bool) throws {
        let database = try RecordedDatabase("d.db", transactions: 1)
        let served = ServedStream(RecordedPrimary([database]))
        let stream = try served.open(ServedStream.request([database.name: database.position]))
        try stream.readUntilReady()
        #expect(stream.reading.files.isEmpty)
        for txid in [UInt64(2), 3] {
            try database.commitNext(inMemory: inMemory)
            served.server.transactionsAppeared(in: database.name)
            try stream.read { $0.files.count == Int(txid - 1) }
            let isSame = try stream.reading.files.last?.bytes == RecordedDatabase.file("d.db", txid)
            #expect(isSame)
        }
    }

    @Test func `a database that is new gets into streams that are open`() throws {
        let source = RecordedPrimary([])
        let served = ServedStream(source)
        let stream = try served.open()
        try stream.readUntilReady()
        let database = try RecordedDatabase("w.db", transactions: 1)
        source.add(database)
        served.server.transactionsAppeared(in: database.name)
        try stream.read { !$0.files.isEmpty }
        #expect(stream.reading.files.map(\.name) == [database.name])
    }

    @Test func `heartbeats tell that the stream is alive`() throws {
        let served = ServedStream(RecordedPrimary([]))
        let stream = try served.open()
        try stream.read { $0.frames.count >= 4 }
        guard case .heartbeat(let time) = stream.reading.frames.last else {
            Issue.record("no heartbeat")
            return
        }
        #expect(stream.reading.frames.first == .ready)
        #expect(abs(time - WallClock.milliseconds) < 60_000)
    }

    @Test func `a stream that is stopped ends with an End frame`() throws {
        let served = ServedStream(RecordedPrimary([try RecordedDatabase("w.db", transactions: 1)]))
        let stream = try served.open()
        try stream.readUntilReady()
        served.server.stop(deadline: .now)
        try stream.read { $0.isEnded }
        try stream.read { _ in false }
        #expect(stream.isAtEnd && stream.reading.isEnded)
        #expect(served.server.handle(ServedStream.request()).status == 503)
    }

    @Test func `a stream that is cancelled stops waiting`() throws {
        let served = ServedStream(RecordedPrimary([]))
        let stream = try served.open()
        try stream.readUntilReady()
        let body = stream.body
        let thread = Thread("cancel") { body.cancel() }
        #expect(throws: (any Error).self) { try stream.read { _ in false } }
        thread.join()
        #expect(served.metrics.contains("litefs_http_stream_count 0"))
        #expect(served.lines.contain("00000000000000CD: stream disconnected (10.0.0.7:1)"))
    }

    @Test func `only wanted databases are sent, and the client learns which are unknown`() throws {
        let databases = [
            try RecordedDatabase("w.db", transactions: 1), try RecordedDatabase("d.db", transactions: 1),
        ]
        let served = ServedStream(RecordedPrimary(databases))
        let unknown = try DatabaseName("unknown.db")
        let filtered = try served.open(ServedStream.request(filter: "d.db,other.db"))
        try filtered.readUntilReady()
        #expect(filtered.reading.files.map(\.name.text) == ["d.db"])

        let all = try served.open(ServedStream.request([unknown: try position("d.db", 1)]))
        try all.readUntilReady()
        #expect(all.reading.frames.contains(.dropDatabase(unknown)))
    }

    @Test func `a damaged file is not sent whole, and not tried again`() throws {
        let database = try RecordedDatabase("k1.db", transactions: 3)
        var bytes = try RecordedDatabase.file("k1.db", 3)
        bytes[bytes.count - 20] ^= 1
        try Files.replace(database.path(3), with: bytes)
        let served = ServedStream(RecordedPrimary([database]))
        let request = ServedStream.request([database.name: try position("k1.db", 2)])
        let first = try served.open(request)
        #expect(throws: (any Error).self) { try first.readUntilReady() }
        #expect(first.reading.files.isEmpty && !first.reading.frames.contains(.end))
        #expect(served.lines.contain("is damaged"))

        let second = try served.open(request)
        try second.readUntilReady()
        let file = try #require(second.reading.files.first)
        #expect(try FileReading(file.bytes)?.header.isSnapshot == true)
        #expect(served.lines.contain("transaction file for txid 0000000000000003 no longer available"))
    }

    @Test func `a file that is gone or has no sound header is replaced by a snapshot at once`() throws {
        let gone = try RecordedDatabase("k1.db", transactions: 3)
        try Files.unlink(gone.path(3))
        let broken = try RecordedDatabase("d.db", transactions: 3)
        try Files.replace(broken.path(3), with: [1, 2, 3])
        let served = ServedStream(RecordedPrimary([gone, broken]))
        let stream = try served.open(
            ServedStream.request([gone.name: try position("k1.db", 2), broken.name: try position("d.db", 2)])
        )
        try stream.readUntilReady()
        #expect(try stream.reading.files.allSatisfy { try FileReading($0.bytes)?.header.isSnapshot == true })
        #expect(stream.reading.files.count == 2)
    }

    @Test func `a client on another branch gets a snapshot`() throws {
        let database = try RecordedDatabase("d.db", transactions: 2)
        let served = ServedStream(RecordedPrimary([database]))
        let other = Checksum(rawValue: Checksum.flag | 5)
        for (txid, reason) in [
            (UInt64(1), "client preapply checksum mismatch for txid 0000000000000002"),
            (2, "caught up but checksum is mismatched"), (9, "exceeds primary transaction id"),
        ] {
            let client = Position(txid: TXID(txid), postApply: other)
            let stream = try served.open(ServedStream.request([database.name: client]))
            try stream.readUntilReady()
            #expect(stream.reading.files.count == 1)
            #expect(served.lines.contain(reason))
        }
    }

    @Test func `a file that begins earlier goes only to clients that understand it`() throws {
        let database = try RecordedDatabase("d.db", transactions: 3)
        try database.merge(2, 3)
        let served = ServedStream(RecordedPrimary([database]))
        for (client, capabilities, first) in [
            (UInt64(1), "", UInt64(2)), (2, "overlap", 2), (2, "other, overlap", 2), (2, "", 1),
        ] {
            let request = ServedStream.request(
                [database.name: try position("d.db", client)],
                capabilities: capabilities
            )
            let stream = try served.open(request)
            try stream.readUntilReady()
            let file = try #require(stream.reading.files.first)
            let content = try #require(try FileReading(file.bytes))
            #expect(stream.reading.files.count == 1)
            #expect(content.header.minTXID == TXID(first) && content.header.maxTXID == TXID(3))
        }
        #expect(served.lines.contain("begins before the client's position, writing snapshot"))
    }

    @Test func `a stream that is stopped in a snapshot is cut off, in a short file it ends in order`() throws
    {
        let snapshot = try RecordedDatabase("k1.db", transactions: 3)
        let cut = ServedStream(RecordedPrimary([snapshot]))
        let first = try cut.open()
        try first.read(bufferSize: 64) { _ in first.bytes.count >= 128 }
        cut.server.stop(deadline: .now)
        #expect(throws: (any Error).self) { try first.read(bufferSize: 64) { _ in false } }

        let file = try RecordedDatabase("k1.db", transactions: 3)
        let ended = ServedStream(RecordedPrimary([file]))
        let second = try ended.open(ServedStream.request([file.name: try position("k1.db", 2)]))
        try second.read(bufferSize: 64) { _ in second.bytes.count >= 128 }
        ended.server.stop(deadline: .now)
        try second.read(bufferSize: 64) { _ in false }
        #expect(second.reading.files.count == 1 && second.reading.isEnded)
    }

    @Test func `Ready does not wait for load to end`() throws {
        let database = try RecordedDatabase("d.db", transactions: 1)
        let served = ServedStream(RecordedPrimary([database]))
        let stream = try served.open(ServedStream.request([database.name: database.position]))
        try database.commitNext(inMemory: true)
        served.server.transactionsAppeared(in: database.name)
        try stream.read(bufferSize: 64) { _ in !stream.bytes.isEmpty }
        // Something new again before the stream can come to rest.
        try database.commitNext(inMemory: true)
        try stream.read { $0.files.count == 2 }
        #expect(stream.reading.items.firstIndex(of: .frame(.ready)) == 1)
    }

    @Test func `a snapshot ahead of the log is not sent twice`() throws {
        let database = try RecordedDatabase("d.db", transactions: 2)
        database.state.withLock {
            $0.stored = Position(txid: TXID(1), postApply: .empty.toggling(Checksum(rawValue: 1)))
        }
        let served = ServedStream(RecordedPrimary([database]))
        let stream = try served.open()
        try stream.readUntilReady()
        served.server.transactionsAppeared(in: database.name)
        try stream.read { $0.frames.count >= 5 }
        #expect(stream.reading.files.count == 1)
    }

    @Test func `a snapshot whose pages do not fit its position is not completed`() throws {
        let database = try RecordedDatabase("d.db", transactions: 2)
        database.state.withLock { $0.isLying = true }
        let served = ServedStream(RecordedPrimary([database]))
        let stream = try served.open()
        #expect(throws: (any Error).self) { try stream.readUntilReady() }
        #expect(stream.reading.files.isEmpty)
        #expect(database.state.withLock { $0.snapshotsEnded == 1 })
    }

    @Test func `a database that was deleted is sent as nothing at its position`() throws {
        let database = try RecordedDatabase("d.db", transactions: 2)
        database.state.withLock { $0.position = Position(txid: TXID(7), postApply: .empty) }
        let served = ServedStream(RecordedPrimary([database]))
        let stream = try served.open(ServedStream.request([database.name: try position("d.db", 2)]))
        try stream.readUntilReady()
        let file = try #require(stream.reading.files.first)
        let content = try #require(try FileReading(file.bytes))
        #expect(content.header.commit == 0 && content.header.maxTXID == TXID(7) && content.pages.isEmpty)
    }

    @Test func `a database that cannot be read does not hold up the others for long`() throws {
        let stuck = try RecordedDatabase("d.db", transactions: 1)
        stuck.state.withLock { $0.failure = "a program is writing" }
        let other = try RecordedDatabase("w.db", transactions: 1)
        let served = ServedStream(RecordedPrimary([stuck, other]), readyGrace: .milliseconds(100))
        let stream = try served.open()
        try stream.readUntilReady()
        #expect(stream.reading.files.map(\.name) == [other.name])
        stuck.state.withLock { $0.failure = nil }
        try stream.read { $0.files.count == 2 }
        #expect(served.lines.all.count { $0.contains("a program is writing") } == 1)
    }

    @Test func `requests that cannot be served are refused, with the node's identity`() throws {
        let source = RecordedPrimary([])
        let served = ServedStream(source)
        func expect(_ request: HTTPRequest, _ status: Int, _ message: String) {
            let response = served.server.handle(request)
            #expect(response.status == status)
            #expect(text(response)?.contains(message) == true)
            #expect(response.headers["Litefs-Id"] == "00000000000000AB")
            #expect(response.headers["Litefs-Cluster-Id"] == "LFSC08D6DC74AF1616E1")
        }
        expect(ServedStream.request(capabilities: nil), 426, "Upgrade to HTTP/2 required\n")
        expect(ServedStream.request(nodeID: nil), 400, "Litefs-Id header required")
        expect(ServedStream.request(nodeID: "xyz"), 400, "Litefs-Id header required")
        expect(ServedStream.request(nodeID: "00000000000000AB"), 400, "cannot connect to self\n")
        expect(ServedStream.request(filter: "a/b"), 400, "invalid database name")
        let garbage = HTTPRequest(
            method: "POST",
            path: "/stream",
            headers: ["litefs-id": "CD", "litefs-capabilities": ""],
            body: [0, 0, 0, 9]
        )
        expect(garbage, 400, "position map ends early")
        source.primary.withLock { $0 = false }
        expect(ServedStream.request(), 503, "not the primary")
        #expect(served.server.handle(ServedStream.request(capabilities: nil), isHTTP2: true).status == 503)
        #expect(served.metrics.contains("litefs_http_stream_count 0"))
    }
}
