import HTTP
import POSIX
import Testing

@Suite(.serialized) struct HTTPClientTests {
    /// A server that sends fixed text to one connection and then closes it, or keeps it open.
    private func scripted(
        _ text: String,
        keepOpen: Bool = false,
        limits: HTTPClient.Limits = HTTPClient.Limits()
    ) throws -> HTTPClientError? {
        let address = try #require(SocketAddress.resolve(host: "127.0.0.1", port: 0).first)
        let listener = try Socket.listen(on: address, backlog: 4)
        let port = try listener.localAddress().port
        let done = Box(false)
        let fd = listener.rawValue
        let thread = Thread("peer") {
            guard let peer = try? Socket.accept(from: fd) else { return }
            _ = try? peer.receive(until: "\r\n\r\n")
            try? peer.send(text)
            if keepOpen { _ = done.wait { $0 } }
        }
        defer {
            done.value = true
            thread.join()
        }
        do {
            _ = try HTTPClient(limits: limits).request("GET", "http://127.0.0.1:\(port)/")
            return nil
        } catch {
            return error
        }
    }

    @Test func `nobody listening is reported with URL and reason`() throws {
        let server = try HTTPServer(address: "127.0.0.1:0")
        server.stop()
        let url = "http://127.0.0.1:\(server.boundPort)/info"
        do {
            _ = try HTTPClient().request("GET", url)
            Issue.record("somebody answered")
        } catch {
            #expect(error.kind == .cannotConnect)
            #expect(error.description.hasPrefix("GET \(url): Failed to connect"))
        }
    }

    @Test func `a body that is cut is an error`() throws {
        let short = try scripted("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        #expect(short?.kind == .interrupted)
        let chunked = try scripted("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n")
        #expect(chunked?.kind == .interrupted)
        #expect(try scripted("")?.kind == .interrupted)
    }

    @Test func `a peer that falls silent is noticed`() throws {
        var limits = HTTPClient.Limits()
        limits.stall = .milliseconds(300)
        let start = MonotonicTime.now
        let error = try scripted(
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1",
            keepOpen: true,
            limits: limits
        )
        #expect(error?.kind == .stalled)
        #expect(error?.reason == "the peer sent nothing for 0.3 seconds")
        #expect(.now - start < .seconds(3))
        #expect(try scripted("", keepOpen: true, limits: limits)?.kind == .stalled)
    }

    @Test func `a request as a whole has a time limit`() throws {
        var limits = HTTPClient.Limits()
        limits.request = .milliseconds(300)
        #expect(try scripted("", keepOpen: true, limits: limits)?.kind == .timedOut)
    }

    @Test func `an answer above the limit is refused`() throws {
        var limits = HTTPClient.Limits()
        limits.responseBody = 4
        #expect(try scripted("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n1234", limits: limits) == nil)
        let error = try scripted("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345", limits: limits)
        #expect(error?.kind == .tooLarge)
        let field = "X-Field: " + String(repeating: "a", count: 8000) + "\r\n"
        let header = "HTTP/1.1 200 OK\r\n" + String(repeating: field, count: 40) + "\r\n"
        #expect(try scripted(header) != nil)
    }

    @Test func `what is no HTTP 1.1 is refused`() throws {
        #expect(try scripted("hello there\r\n") != nil)
        #expect(try scripted("220 mail.example.org ESMTP\r\n") != nil)
    }

    @Test func `interim answers are skipped and redirects are not followed`() throws {
        #expect(
            try scripted("HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n") == nil
        )
        let fixture = try Fixture { _ in HTTPResponse(status: 302, headers: ["Location": "/elsewhere"]) }
        let response = try fixture.client.request("GET", fixture.url("/"))
        #expect(response.status == 302)
        #expect(response.headers["location"] == "/elsewhere")
    }

    @Test func `requests that could be misread are not sent`() throws {
        let client = HTTPClient()
        for (method, url, headers) in [
            ("GET", "not a url", HTTPHeaders()), ("GET", "ftp://127.0.0.1/", [:]),
            ("GE T", "http://127.0.0.1:1/", [:]),
            ("GET", "http://127.0.0.1:1/", ["A": "b\r\nC: d"]), ("GET", "http://127.0.0.1:1/", ["A b": "c"]),
        ] {
            do {
                _ = try client.request(method, url, headers: headers)
                Issue.record("\(method) \(url) was sent")
            } catch {
                #expect(error.kind == .invalidRequest)
            }
        }
    }

    @Test func `a server that answers slowly but steadily is no stall`() throws {
        var limits = HTTPClient.Limits()
        limits.stall = .milliseconds(600)
        let body = QueueBody()
        let fixture = try Fixture(clientLimits: limits) { _ in HTTPResponse(body: .stream(body)) }
        let feeder = Thread("feeder") {
            for _ in 0..<4 {
                pause(.milliseconds(300))
                body.put("x")
            }
            body.end()
        }
        #expect(try fixture.client.request("GET", fixture.url("/")).body == Array("xxxx".utf8))
        feeder.join()
    }
}
