import HTTP
import POSIX
import Testing

@Suite(.serialized) struct HTTPBadPeerTests {
    @Test(arguments: [
        "garbage\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ])
    func `malformed requests end their connection only`(text: String) throws {
        var limits = HTTPServer.Limits()
        limits.idleSeconds = 1
        let fixture = try Fixture(limits: limits) { _ in .text("fine") }
        let socket = try fixture.connect()
        try socket.send(text)
        let answer = (try? socket.receive()) ?? ""
        #expect(!answer.hasPrefix("HTTP/1.1 200"))
        #expect(try fixture.client.request("GET", fixture.url("/")).body == Array("fine".utf8))
    }

    @Test(arguments: ["/%zz", "/%4", "/%00", "/%ff", "/?a=%f", "/?%ff=1"])
    func `malformed targets are refused before the handler`(target: String) throws {
        let fixture = try Fixture { _ in .text("handled") }
        let socket = try fixture.connect()
        try socket.send("GET \(target) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        let answer = try socket.receive()
        #expect(answer.hasPrefix("HTTP/1.1 400 "))
        #expect(answer.hasSuffix("malformed request target\n"))
    }

    @Test func `an endless header is refused`() throws {
        let fixture = try Fixture { _ in .text("fine") }
        let socket = try fixture.connect()
        try socket.send("GET / HTTP/1.1\r\nHost: x\r\n")
        let line = "X-Field: " + String(repeating: "a", count: 8192) + "\r\n"
        // The server may have closed the connection before all is sent.
        for _ in 0..<512 where (try? socket.send(line)) == nil { break }
        let answer = (try? socket.receive()) ?? ""
        #expect(!answer.hasPrefix("HTTP/1.1 200"))
        #expect(try fixture.client.request("GET", fixture.url("/")).status == 200)
    }

    @Test func `a request that never becomes complete is given up`() throws {
        var limits = HTTPServer.Limits()
        limits.idleSeconds = 1
        let fixture = try Fixture(limits: limits) { _ in .text("handled") }
        for text in ["", "GET / HT", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123"] {
            let socket = try fixture.connect()
            try socket.send(text)
            let answer = (try? socket.receive()) ?? ""
            #expect(!answer.contains("handled"))
        }
    }

    @Test func `a slow handler and a slow body are not idle`() throws {
        var limits = HTTPServer.Limits()
        limits.idleSeconds = 1
        let body = QueueBody()
        let fixture = try Fixture(limits: limits) { request in
            if request.path == "/slow" {
                pause(.milliseconds(2100))
                return .text("done")
            }
            return HTTPResponse(body: .stream(body))
        }
        #expect(try fixture.client.request("GET", fixture.url("/slow")).body == Array("done".utf8))
        let feeder = Thread("feeder") {
            pause(.milliseconds(2100))
            body.put("late")
            pause(.milliseconds(2100))
            body.end()
        }
        #expect(try fixture.client.request("GET", fixture.url("/")).body == Array("late".utf8))
        feeder.join()
    }

    @Test func `a peer that leaves early costs only its own connection`() throws {
        let fixture = try Fixture {
            HTTPResponse(body: .bytes([UInt8](repeating: 1, count: $0.body.count + 4_000_000)))
        }
        for text in [
            "", "GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1",
        ] {
            let socket = try fixture.connect()
            try socket.send(text)
            socket.close()
        }
        #expect(try fixture.client.request("GET", fixture.url("/")).body.count == 4_000_000)
    }
}
