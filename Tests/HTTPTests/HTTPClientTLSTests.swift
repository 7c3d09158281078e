import HTTP
import Harness
import POSIX
import Testing

@Suite(.serialized) struct HTTPClientTLSTests {
    private let folder: TestFolder
    private let authority: TestAuthority

    init() throws {
        folder = try TestFolder()
        authority = try TestAuthority("authority", in: folder)
        try authority.vouch(for: "server", as: "IP:127.0.0.1")
    }

    private func failure(_ url: String, _ trust: HTTPClient.Trust) -> HTTPClientError? {
        do throws(HTTPClientError) {
            _ = try HTTPClient(trust: trust).request("GET", url)
            return nil
        } catch {
            return error
        }
    }

    @Test func `a server that the file vouches for is asked`() throws {
        let server = try TLSServer("server", in: folder)
        let client = HTTPClient(trust: .file(authority.certificate))
        let answer = try client.request("GET", server.url)
        #expect(answer.status == 200)
        #expect(String(decoding: answer.body, as: UTF8.self).contains("New, TLSv1.3"))
        // The file is read again each time.
        let other = try TestAuthority("other", in: folder)
        try Files.replace(authority.certificate, with: Files.read(other.certificate))
        #expect(throws: HTTPClientError.self) { try client.request("GET", server.url) }
    }

    @Test func `a server that another authority vouches for is refused, and the file named`() throws {
        let server = try TLSServer("server", in: folder)
        let other = try TestAuthority("other", in: folder)
        let error = try #require(failure(server.url, .file(other.certificate)))
        #expect(error.kind == .untrusted)
        #expect(error.reason.contains("certificate"))
        #expect(error.reason.hasSuffix("trusted are the authorities in \(other.certificate)"))
        let system = try #require(failure(server.url, .system))
        #expect(system.kind == .untrusted)
        #expect(system.reason.hasSuffix("trusted are the authorities of the system"))
    }

    @Test func `a file that is missing or empty is named`() throws {
        let server = try TLSServer("server", in: folder)
        let path = folder.path + "/none.crt"
        for _ in 0..<2 {
            let error = try #require(failure(server.url, .file(path)))
            #expect(error.kind == .untrusted)
            #expect(error.reason.contains(path))
            try Files.replace(path, with: [])
        }
    }

    @Test func `a certificate for another name is refused`() throws {
        try authority.vouch(for: "elsewhere", as: "DNS:elsewhere.example")
        let server = try TLSServer("elsewhere", in: folder)
        let error = try #require(failure(server.url, .file(authority.certificate)))
        #expect(error.kind == .untrusted)
        #expect(error.reason.contains("127.0.0.1"))
    }

    @Test func `TLS before 1.2 is refused`() throws {
        let old = try TLSServer("server", in: folder, ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])
        #expect(failure(old.url, .file(authority.certificate))?.kind == .untrusted)
        let new = try TLSServer("server", in: folder, ["-tls1_2"])
        #expect(failure(new.url, .file(authority.certificate)) == nil)
    }

    @Test func `a server that does not speak TLS is refused`() throws {
        let fixture = try Fixture { _ in HTTPResponse(body: .bytes([])) }
        let url = "https" + fixture.url("/").dropFirst(4)
        #expect(failure(url, .file(authority.certificate))?.kind == .untrusted)
    }

    @Test func `a client that is cancelled in the middle of a handshake ends at once`() throws {
        let address = try #require(SocketAddress.resolve(host: "127.0.0.1", port: 0).first)
        let listener = try Socket.listen(on: address, backlog: 4)
        let url = "https://127.0.0.1:\(try listener.localAddress().port)/"
        let client = HTTPClient(trust: .file(authority.certificate))
        let ended = Box<(kind: HTTPClientError.Kind, at: MonotonicTime)?>(nil)
        let caller = Thread("caller") {
            do throws(HTTPClientError) {
                _ = try client.request("GET", url)
            } catch {
                ended.value = (error.kind, .now)
            }
        }
        pause(.milliseconds(200))
        #expect(ended.value == nil)
        let start = MonotonicTime.now
        client.cancel()
        caller.join()
        let end = try #require(ended.value)
        #expect(end.kind == .cancelled)
        #expect(end.at - start < .milliseconds(500))
    }
}
