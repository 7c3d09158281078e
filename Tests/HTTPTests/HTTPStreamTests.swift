import HTTP
import POSIX
import Testing

@Suite(.serialized) struct HTTPStreamTests {
    private func streaming(_ body: QueueBody) throws -> Fixture {
        try Fixture { _ in HTTPResponse(headers: ["Litefs-Id": "A"], body: .stream(body)) }
    }

    @Test func `header and pieces arrive while the body blocks`() throws {
        let body = QueueBody()
        let fixture = try streaming(body)
        let received = Box("")
        let status = Box(0)
        let thread = Thread("stream") {
            try? fixture.client.stream(
                "POST",
                fixture.url("/stream"),
                onResponse: { code, headers in status.value = headers["litefs-id"] == "A" ? code : -1 },
                onBytes: { part in received.change { $0 += String(decoding: part, as: UTF8.self) } }
            )
            status.value = 0
        }
        #expect(status.wait { $0 == 200 })
        var expected = ""
        var slowest = Duration.zero
        for number in 0..<50 {
            let piece = "piece \(number);"
            expected += piece
            let start = MonotonicTime.now
            body.put(piece)
            let arrived = received.wait { $0 == expected }
            #expect(arrived)
            slowest = max(slowest, .now - start)
        }
        print("slowest delivery of a piece while the next read blocks: \(slowest)")
        #expect(slowest < .milliseconds(500))
        body.end()
        thread.join()
        #expect(received.value == expected)
        #expect(body.waitForCancel())
        #expect(body.cancellations == 1)
    }

    @Test func `a body that fails is cut off without an error text`() throws {
        let body = QueueBody()
        let fixture = try streaming(body)
        body.put("good")
        body.fail()
        var received = ""
        do {
            try fixture.client.stream(
                "GET",
                fixture.url("/"),
                onResponse: { _, _ in },
                onBytes: { received += String(decoding: $0, as: UTF8.self) }
            )
            Issue.record("the answer looks complete")
        } catch let error as HTTPClientError {
            #expect(error.kind == .interrupted)
            #expect(error.url == fixture.url("/"))
        }
        #expect(received == "good")
        #expect(body.cancellations == 1)
    }

    @Test func `a body that fails looks incomplete to an HTTP 1.0 client too`() throws {
        let body = QueueBody()
        let fixture = try streaming(body)
        let socket = try fixture.connect()
        try socket.send("GET / HTTP/1.0\r\n\r\n")
        body.put("good")
        #expect(try socket.receive(until: "good").hasSuffix("\r\n\r\ngood"))
        body.fail()
        #expect(throws: Errno.self) { try socket.receive() }
    }

    @Test func `a complete body ends the connection of an HTTP 1.0 client in order`() throws {
        let body = QueueBody()
        let fixture = try streaming(body)
        let socket = try fixture.connect()
        try socket.send("GET / HTTP/1.0\r\n\r\n")
        body.put("all")
        body.end()
        #expect(try socket.receive().hasSuffix("\r\n\r\nall"))
    }

    @Test func `a body of announced length is checked against it`() throws {
        let body = QueueBody()
        let fixture = try Fixture { _ in HTTPResponse(body: .stream(body, length: 6)) }
        body.put("abc")
        body.put("def")
        let response = try fixture.client.request("GET", fixture.url("/"))
        #expect(response.headers["Content-Length"] == "6")
        #expect(response.body == Array("abcdef".utf8))

        let short = QueueBody()
        let other = try Fixture { _ in HTTPResponse(body: .stream(short, length: 6)) }
        short.put("abc")
        short.end()
        #expect(throws: HTTPClientError.self) { try other.client.request("GET", other.url("/")) }
    }

    @Test func `cancelling the client ends a stream that blocks`() throws {
        let body = QueueBody()
        let fixture = try streaming(body)
        body.put("x")
        let started = Box(false)
        let kind = Box<HTTPClientError.Kind?>(nil)
        let thread = Thread("stream") {
            do {
                try fixture.client.stream(
                    "GET",
                    fixture.url("/"),
                    onResponse: { _, _ in },
                    onBytes: { _ in started.value = true }
                )
            } catch {
                kind.value = (error as? HTTPClientError)?.kind
            }
        }
        #expect(started.wait { $0 })
        let start = MonotonicTime.now
        fixture.client.cancel()
        thread.join()
        #expect(.now - start < .milliseconds(500))
        #expect(kind.value == .cancelled)
        #expect(throws: HTTPClientError.self) { try fixture.client.request("GET", fixture.url("/")) }
        // The server notices as soon as there is something to send.
        let deadline = MonotonicTime.now + .seconds(10)
        while body.cancellations == 0, .now < deadline {
            body.put("more")
            _ = body.waitForReads(1)
        }
        #expect(body.cancellations == 1)
    }

    @Test func `a callback that throws ends the stream with its error`() throws {
        struct Enough: Error {}
        let body = QueueBody()
        let fixture = try streaming(body)
        body.put("x")
        #expect(throws: Enough.self) {
            try fixture.client.stream(
                "GET",
                fixture.url("/"),
                onResponse: { _, _ in },
                onBytes: { _ in throw Enough() }
            )
        }
        #expect(throws: Enough.self) {
            try fixture.client.stream(
                "GET",
                fixture.url("/"),
                onResponse: { _, _ in throw Enough() },
                onBytes: { _ in }
            )
        }
    }

    @Test func `stopping the server ends open streams at once, each body cancelled once`() throws {
        let bodies = (0..<20).map { _ in QueueBody() }
        let fixture = try Fixture { request in
            let number = Int(request.path.dropFirst()) ?? 0
            return HTTPResponse(body: .stream(bodies[number]))
        }
        let failures = Box(0)
        let threads = (0..<bodies.count)
            .map { number in
                Thread("stream-\(number)") {
                    do {
                        try fixture.client.stream(
                            "GET",
                            fixture.url("/\(number)"),
                            onResponse: { _, _ in },
                            onBytes: { _ in }
                        )
                    } catch {
                        failures.change { $0 += 1 }
                    }
                }
            }
        for body in bodies { #expect(body.waitForReads(1)) }
        let idle = try fixture.connect()
        let start = MonotonicTime.now
        fixture.server.stop()
        #expect(.now - start < .seconds(1))
        for thread in threads { thread.join() }
        #expect(failures.value == bodies.count)
        #expect(bodies.allSatisfy { $0.cancellations == 1 })
        // One that was not accepted yet is reset.
        #expect(((try? idle.receive()) ?? "") == "")
    }

    @Test func `a peer that lives but does not read for long keeps its connection`() throws {
        var limits = HTTPServer.Limits()
        limits.unreachable = .seconds(2)
        let fixture = try Fixture(limits: limits) { _ in
            HTTPResponse(body: .bytes([UInt8](repeating: 7, count: 32 << 20)))
        }
        let socket = try fixture.connect()
        try socket.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        pause(.seconds(6))
        var count = 0
        let chunk = Buffer(count: 1 << 20)
        while true {
            let part = try socket.receive(into: chunk.bytes)
            if part == 0 { break }
            count += part
        }
        #expect(count > 32 << 20)
    }

    @Test func `a peer that vanishes without a word is noticed while data is on its way to it`() throws {
        let body = QueueBody()
        var limits = HTTPServer.Limits()
        limits.unreachable = .seconds(1)
        let fixture = try Fixture(limits: limits) { _ in HTTPResponse(body: .stream(body)) }
        let socket = try fixture.connect()
        try socket.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = try socket.receive(until: "\r\n\r\n")
        try socket.dropEverything()
        let start = MonotonicTime.now
        while body.cancellations == 0, .now - start < .seconds(10) {
            body.put("heartbeat")
            pause(.milliseconds(100))
        }
        #expect(body.cancellations == 1)
        #expect(.now - start < .seconds(4))
    }

    @Test(.enabled(if: Fixture.kernelLimitsRetransmissionDelay, "the kernel is older than Linux 6.15"))
    func `a peer that did not read for long and then vanishes without a word is noticed`() throws {
        final class Endless: ResponseBody {
            let cancellations = Box(0)
            func read(into buffer: UnsafeMutableRawBufferPointer) -> Int { buffer.count }
            func cancel() { cancellations.change { $0 += 1 } }
        }
        let body = Endless()
        var limits = HTTPServer.Limits()
        limits.unreachable = .seconds(2)
        let fixture = try Fixture(limits: limits) { _ in HTTPResponse(body: .stream(body)) }
        let socket = try fixture.connect()
        try socket.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = try socket.receive(until: "\r\n\r\n")
        // By itself the kernel would probe again after 0.2, 0.4, 0.8, 1.6, 3.2 seconds, and so on.
        pause(.seconds(7))
        #expect(body.cancellations.value == 0)
        try socket.dropEverything()
        let start = MonotonicTime.now
        while body.cancellations.value == 0, .now - start < .seconds(10) { pause(.milliseconds(20)) }
        #expect(.now - start < .seconds(5))
    }

    @Test func `a peer that does not read does not hold up the stop`() throws {
        final class Endless: ResponseBody {
            func read(into buffer: UnsafeMutableRawBufferPointer) -> Int { buffer.count }
            func cancel() {}
        }
        let fixture = try Fixture { _ in HTTPResponse(body: .stream(Endless())) }
        let socket = try fixture.connect()
        try socket.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        _ = try socket.receive(until: "\r\n\r\n")
        let start = MonotonicTime.now
        fixture.server.stop()
        #expect(.now - start < .seconds(1))
    }

    @Test func `bodies are asked for large pieces and flow fast`() throws {
        final class Source: ResponseBody {
            let left = Box(256 << 20)
            let largest = Box(0)
            func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
                let count = min(buffer.count, left.value)
                largest.change { $0 = max($0, buffer.count) }
                left.change { $0 -= count }
                return count
            }
            func cancel() {}
        }
        for length in [nil, UInt64(256 << 20)] {
            let source = Source()
            let fixture = try Fixture { _ in HTTPResponse(body: .stream(source, length: length)) }
            var received = 0
            let start = MonotonicTime.now
            try fixture.client.stream(
                "GET",
                fixture.url("/"),
                onResponse: { _, _ in },
                onBytes: { received += $0.count }
            )
            let rate = Double(received) / (.now - start).seconds / 1e6
            print(
                "\(length == nil ? "chunked" : "announced"): \(Int(rate)) MB/s in \(source.largest.value) B pieces"
            )
            #expect(received == 256 << 20)
            #expect(source.largest.value >= 256 << 10)
        }
    }
}
