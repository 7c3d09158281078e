import HTTP
import POSIX
import Testing

@Suite struct HTTPListenTests {
    @Test func `a used port is reported with its address and a remedy`() throws {
        let first = try HTTPServer(address: "127.0.0.1:0")
        defer { first.stop() }
        do {
            _ = try HTTPServer(address: "127.0.0.1:\(first.boundPort)")
            Issue.record("the second server could listen")
        } catch {
            let expected =
                "cannot listen on 127.0.0.1:\(first.boundPort): another process uses this port; "
                + "stop it or configure another address"
            #expect(error.description == expected)
        }
    }

    @Test func `a stopped server's port can be used again, and serving it again is refused`() throws {
        let first = try HTTPServer(address: "127.0.0.1:0")
        try first.serve { _ in .text("first") }
        #expect(throws: HTTPServerError.self) { try first.serve { _ in .text("again") } }
        first.stop()
        first.stop()
        #expect(throws: HTTPServerError.self) { try first.serve { _ in .text("again") } }

        let second = try HTTPServer(address: "127.0.0.1:\(first.boundPort)")
        try second.serve { _ in .text("second") }
        defer { second.stop() }
        let answer = try HTTPClient().request("GET", "http://127.0.0.1:\(second.boundPort)/")
        #expect(answer.body == Array("second".utf8))
    }

    @Test func `connections made before serving are answered after it`() throws {
        let server = try HTTPServer(address: "127.0.0.1:0")
        defer { server.stop() }
        let address = try #require(SocketAddress.resolve(host: "127.0.0.1", port: server.boundPort).first)
        let socket = try Socket.connect(to: address)
        try socket.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try server.serve { _ in .text("late") }
        #expect(try socket.receive(until: "late").hasSuffix("\r\n\r\nlate"))
    }

    @Test func `without a host all interfaces are served, over IPv4 and where there is one IPv6`() throws {
        let server = try HTTPServer(address: ":0")
        defer { server.stop() }
        try server.serve { .text($0.remoteAddress) }
        let answer = try HTTPClient().request("GET", "http://127.0.0.1:\(server.boundPort)/")
        #expect(String(decoding: answer.body, as: UTF8.self).hasPrefix("127.0.0.1:"))
        guard let six = try? HTTPServer(address: "[::1]:0") else { return }
        defer { six.stop() }
        try six.serve { .text($0.remoteAddress) }
        let answer6 = try HTTPClient().request("GET", "http://[::1]:\(six.boundPort)/")
        #expect(String(decoding: answer6.body, as: UTF8.self).hasPrefix("[::1]:"))
        let both = try HTTPClient().request("GET", "http://[::1]:\(server.boundPort)/")
        #expect(both.status == 200)
    }

    @Test(arguments: ["", "20202", "host", ":x", ":70000", ":-1", "::1:80", "no such host.invalid:80"])
    func `addresses that cannot be meant are refused`(address: String) {
        do {
            _ = try HTTPServer(address: address)
            Issue.record("listens on \(address)")
        } catch {
            guard case .invalidAddress(address, _) = error else {
                Issue.record("\(error)")
                return
            }
        }
    }
}
