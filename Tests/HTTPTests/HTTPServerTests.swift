import HTTP
import POSIX
import Testing

@Suite(.serialized) struct HTTPServerTests {
    @Test func `a handler sees the decoded request and the client the whole answer`() throws {
        let seen = Box<HTTPRequest?>(nil)
        let fixture = try Fixture { request in
            seen.value = request
            return HTTPResponse(status: 201, headers: ["Litefs-Id": "00FF"], body: .bytes(request.body))
        }
        let response = try fixture.client.request(
            "POST",
            fixture.url("/a%20b/c?name=my+db%2F1&name=two&empty=&flag"),
            headers: ["X-Test": "value"],
            body: Array("hello".utf8)
        )
        #expect(response.status == 201)
        #expect(response.headers["litefs-id"] == "00FF")
        #expect(response.body == Array("hello".utf8))

        let request = try #require(seen.value)
        #expect(request.method == "POST")
        #expect(request.path == "/a b/c")
        #expect(request.parameter("name") == "my db/1")
        #expect(request.parameters("name") == ["my db/1", "two"])
        #expect(request.parameter("empty") == "")
        #expect(request.parameter("flag") == "")
        #expect(request.parameter("none") == nil)
        #expect(request.headers["x-test"] == "value")
        #expect(request.headers["Content-Type"] == nil)
        #expect(request.remoteAddress.hasPrefix("127.0.0.1:"))
    }

    @Test func `a body of any size up to the limit arrives whole`() throws {
        let fixture = try Fixture { HTTPResponse(body: .bytes($0.body)) }
        for count in [0, 1, 65_535, 1 << 20, 16 << 20] {
            let body = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            #expect(try fixture.client.request("PUT", fixture.url("/"), body: body).body == body)
        }
    }

    @Test func `a body above the limit is refused with the limit in the message`() throws {
        var limits = HTTPServer.Limits()
        limits.requestBody = 1000
        let fixture = try Fixture(limits: limits) { _ in .text("handled") }
        let response = try fixture.client.request(
            "POST",
            fixture.url("/"),
            body: [UInt8](repeating: 7, count: 1001)
        )
        #expect(response.status == 413)
        #expect(response.body == Array("request body is longer than 1000 bytes\n".utf8))
        #expect(try fixture.client.request("POST", fixture.url("/"), body: [1]).status == 200)

        let chunked = try fixture.connect()
        try chunked.send(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        )
        try chunked.send("400\r\n" + String(repeating: "a", count: 1024) + "\r\n0\r\n\r\n")
        #expect(try chunked.receive().hasPrefix("HTTP/1.1 413 "))

        let huge = try fixture.connect()
        try huge.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        #expect(try huge.receive(until: "bytes\n").hasPrefix("HTTP/1.1 413 "))

        let expecting = try fixture.connect()
        try expecting.send(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n"
        )
        #expect(try expecting.receive(until: "bytes\n").hasPrefix("HTTP/1.1 413 "))
    }

    @Test func `HEAD gets the header only`() throws {
        let body = QueueBody()
        let fixture = try Fixture { request in
            request.path == "/stream" ? HTTPResponse(body: .stream(body)) : .text("hello")
        }
        let response = try fixture.client.request("HEAD", fixture.url("/"))
        #expect(response.status == 200)
        #expect(response.headers["Content-Length"] == "5")
        #expect(response.body.isEmpty)
        #expect(try fixture.client.request("HEAD", fixture.url("/stream")).status == 200)
        #expect(body.waitForCancel())
    }

    @Test func `one connection serves many requests`() throws {
        let fixture = try Fixture { .text($0.path) }
        let socket = try fixture.connect()
        for number in 0..<20 {
            try socket.send("GET /\(number) HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try socket.receive(until: "\r\n\r\n/\(number)").hasPrefix("HTTP/1.1 200 OK\r\n"))
        }
    }

    @Test func `a hundred connections are answered at the same time`() throws {
        let arrived = Box(0)
        let fixture = try Fixture { request in
            arrived.change { $0 += 1 }
            return arrived.wait { $0 == 100 } ? .text(request.path) : .error(500, "not concurrent")
        }
        let right = Box(0)
        let threads = (0..<100)
            .map { number in
                Thread("request-\(number)") {
                    let response = try? fixture.client.request("GET", fixture.url("/\(number)"))
                    if response?.body == Array("/\(number)".utf8) { right.change { $0 += 1 } }
                }
            }
        for thread in threads { thread.join() }
        #expect(right.value == 100)
    }

    @Test func `the router answers unknown paths and wrong methods as plain text`() throws {
        var router = Router()
        router.add("GET", "/info") { _ in .text("info") }
        router.add("POST", "/promote") { _ in .text("promoted") }
        let fixture = try Fixture(router.handle)
        #expect(try fixture.client.request("GET", fixture.url("/info")).body == Array("info".utf8))
        #expect(try fixture.client.request("HEAD", fixture.url("/info")).status == 200)
        let missing = try fixture.client.request("GET", fixture.url("/nothing"))
        #expect(missing.status == 404)
        #expect(missing.body == Array("404 page not found\n".utf8))
        #expect(missing.headers["Content-Type"] == "text/plain; charset=utf-8")
        let wrong = try fixture.client.request("GET", fixture.url("/promote"))
        #expect(wrong.status == 405)
        #expect(wrong.headers["Allow"] == "POST")
        #expect(wrong.body == Array("method not allowed\n".utf8))
    }
}
