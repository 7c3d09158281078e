import HTTP
import Harness
import POSIX
import Synchronization
import Testing

@testable import Lease

/// Answers that a real API server gives rarely, or never: from a server that says what it is told to.
@Suite struct KubernetesAnswerTests {
    private let folder: TestFolder

    init() throws { folder = try TestFolder() }

    /// A lease whose server answers everything alike; `requests` gets what it was asked.
    private func lease(
        _ status: Int,
        _ body: String,
        requests: Requests = Requests()
    ) throws -> (lease: KubernetesLease, server: HTTPServer) {
        let server = try HTTPServer(address: "127.0.0.1:0")
        try server.serve { request in
            requests.add(request)
            return HTTPResponse(status: status, body: .bytes(Array(body.utf8)))
        }
        var options = KubernetesLease.Options(name: "app")
        options.namespace = "default"
        options.url = "http://127.0.0.1:\(server.boundPort)"
        options.tokenFile = folder.path + "/token"
        options.requestLimit = .seconds(5)
        return (try KubernetesLease(options), server)
    }

    /// The error of a read that is answered so.
    private func failure(_ status: Int, _ body: String) throws -> LeaseError? {
        let (lease, server) = try lease(status, body)
        defer { server.stop() }
        return LeaseTests.failure { () throws(LeaseError) in _ = try lease.read() }
    }

    private func status(_ message: String) -> String { #"{"kind":"Status","message":"\#(message)"}"# }

    @Test(arguments: [408, 429, 500, 502, 503, 504])
    func `what passes is no refusal`(code: Int) throws {
        let error = try failure(code, status("try again"))
        #expect(error?.isUnreachable("cannot read Lease default/app", "\(code), try again") == true)
    }

    @Test(arguments: [400, 404, 405, 410, 415, 422, 301, 302])
    func `what does not pass is a refusal`(code: Int) throws {
        #expect(try failure(code, status("never"))?.isRefusal("\(code), never") == true)
        #expect(try failure(code, "")?.isRefusal("\(code), without a word") == true)
    }

    @Test func `only a missing object is no object`() throws {
        func missing(_ kind: String, _ name: String) -> String {
            #"{"kind":"Status","message":"gone","details":{"kind":"\#(kind)","name":"\#(name)"}}"#
        }
        #expect(try failure(404, missing("leases", "app")) == nil)
        #expect(try failure(404, missing("leases", "other"))?.isRefusal("gone") == true)
        #expect(try failure(404, missing("namespaces", "app"))?.isRefusal("gone") == true)
        #expect(try failure(404, "404 page not found\n")?.isRefusal("404, 404 page not found;") == true)
        #expect(try failure(404, #"{"details":null,"kind":"Status"}"#)?.isRefusal("404") == true)
    }

    @Test func `the server's words are one line, and not too many`() throws {
        let long = String(repeating: "é", count: 400)
        guard case .unreachable(let text)? = try failure(500, status(long)) else {
            Issue.record("no error")
            return
        }
        #expect(text.hasSuffix(" " + String(repeating: "é", count: 150)))
        let lines = try failure(500, status(#"a\nb\u0000\u007f c"#))
        #expect(lines?.isUnreachable("500, a b c") == true)
        #expect(try failure(500, "\u{FFFF}<html>\r\n</html>")?.isUnreachable("<html> </html>") == true)
        #expect(try failure(500, #"{"message":7}"#)?.isUnreachable(#"{"message":7}"#) == true)
    }

    @Test(arguments: [
        "", "null", "[]", "{", "<html></html>", #"{"metadata":{}}"#, #"{"metadata":{"resourceVersion":"1"}"#,
        #"{"a":1,"a":2}"#, String(repeating: "[", count: 10_000),
        #"{"kind":"Status","metadata":{"resourceVersion":"1"}}"#,
        #"{"metadata":{"resourceVersion":"1","annotations":{"litefs.io/positions":"?"}}}"#,
    ])
    func `an answer that is no Lease cannot be understood`(body: String) throws {
        #expect(
            try failure(200, body)?.isUnreadable("Lease default/app", "kubectl -n default get lease app")
                == true
        )
    }

    @Test func `an answer of a mebibyte is read, and a longer one is not`() throws {
        let start = #"{"metadata":{"resourceVersion":"1","annotations":{"a":""#
        let end = #""}}}"#
        let room = (1 << 20) - start.utf8.count - end.utf8.count
        #expect(try failure(200, start + String(repeating: "x", count: room) + end) == nil)
        let error = try failure(200, start + String(repeating: "x", count: room + 1) + end)
        #expect(error?.isUnreadable("cannot read Lease default/app", "longer than 1048576 bytes") == true)
    }

    @Test func `a conflict is one wherever it comes from, but of labels it passes`() throws {
        let (lease, server) = try lease(409, status("AlreadyExists"))
        defer { server.stop() }
        let stored = StoredLease(record: LeaseRecord(), version: "1")
        #expect(
            LeaseTests.failure { () throws(LeaseError) in _ = try lease.create(stored.record) } == .conflict
        )
        #expect(
            LeaseTests.failure { () throws(LeaseError) in _ = try lease.replace(stored, by: stored.record) }
                == .conflict
        )
        let label = LeaseTests.failure { () throws(LeaseError) in try lease.label(pod: "p", isPrimary: true) }
        #expect(label?.isUnreachable("409") == true)
    }

    @Test func `by http a token is sent if there is one`() throws {
        let requests = Requests()
        let (lease, server) = try lease(
            200,
            #"{"metadata":{"resourceVersion":"1"}}"#,
            requests: requests
        )
        defer { server.stop() }
        _ = try lease.read()
        try Files.replace(folder.path + "/token", with: Array("abc\n".utf8))
        _ = try lease.read()
        try lease.label(pod: "app-0", isPrimary: true)
        #expect(
            requests.all == [
                "GET /apis/coordination.k8s.io/v1/namespaces/default/leases/app - ",
                "GET /apis/coordination.k8s.io/v1/namespaces/default/leases/app Bearer abc ",
                "PATCH /api/v1/namespaces/default/pods/app-0 Bearer abc "
                    + #"{"metadata":{"labels":{"litefs.io/role":"primary"}}}"#,
            ]
        )
    }

    @Test func `where server and namespace are is found out, or said to be unknown`() throws {
        var options = KubernetesLease.Options(name: "app")
        options.tokenFile = folder.path + "/token"
        options.url = "https://127.0.0.1:1//"
        let unknown = LeaseTests.failure { () throws(LeaseError) in _ = try KubernetesLease(options) }
        #expect(unknown?.isRefusal(folder.path + "/namespace", "lease.kubernetes.namespace") == true)
        try Files.replace(folder.path + "/namespace", with: Array(" \n".utf8))
        let empty = LeaseTests.failure { () throws(LeaseError) in _ = try KubernetesLease(options) }
        #expect(empty?.isRefusal(folder.path + "/namespace is empty") == true)
        try Files.replace(folder.path + "/namespace", with: Array("prod\n".utf8))
        #expect(try KubernetesLease(options).name == "Lease prod/app")
        options.namespace = "other"
        #expect(try KubernetesLease(options).name == "Lease other/app")
    }

    @Test func `the server of the pod's own cluster may have an address of either kind, or a name`() {
        for (host, url) in [
            ("10.96.0.1", "https://10.96.0.1:443"), ("fd00:10:96::1", "https://[fd00:10:96::1]:443"),
            ("kubernetes.default.svc", "https://kubernetes.default.svc:443"),
        ] {
            #expect(KubernetesLease.server(host: host, port: "443") == url)
        }
    }

    @Test(.enabled(if: CurrentProcess.environment("KUBERNETES_SERVICE_HOST") == nil))
    func `outside of a cluster the server is unknown without its URL`() {
        var options = KubernetesLease.Options(name: "app")
        options.namespace = "default"
        let error = LeaseTests.failure { () throws(LeaseError) in _ = try KubernetesLease(options) }
        #expect(error?.isRefusal("KUBERNETES_SERVICE_HOST", "lease.kubernetes.url") == true)
    }

    // MARK: - A server that does not answer

    @Test func `a call that nobody answers ends with its time, or at once when it is cancelled`() throws {
        let address = try #require(SocketAddress.resolve(host: "127.0.0.1", port: 0).first)
        let listener = try Socket.listen(on: address, backlog: 16)
        try Files.replace(folder.path + "/token", with: Array("abc".utf8))
        for scheme in ["http", "https"] {
            var options = KubernetesLease.Options(name: "app")
            options.namespace = "default"
            options.url = "\(scheme)://127.0.0.1:\(try listener.localAddress().port)"
            options.tokenFile = folder.path + "/token"
            options.caFile = "/etc/ssl/certs/ca-certificates.crt"
            options.requestLimit = .milliseconds(400)
            let start = MonotonicTime.now
            let hurried = try KubernetesLease(options)
            let late = LeaseTests.failure { () throws(LeaseError) in _ = try hurried.read() }
            #expect(late?.isUnreachable("cannot read Lease default/app") == true)
            #expect(.now - start >= .milliseconds(390))
            #expect(.now - start < .seconds(5))

            options.requestLimit = .seconds(60)
            let lease = try KubernetesLease(options)
            let ends = Mutex<[(LeaseError?, MonotonicTime)]>([])
            let callers = (0..<3)
                .map { _ in
                    Thread("caller") {
                        let error = LeaseTests.failure { () throws(LeaseError) in _ = try lease.read() }
                        ends.withLock { $0.append((error, .now)) }
                    }
                }
            pause(.milliseconds(300))
            #expect(ends.withLock { $0.isEmpty })
            let cancelled = MonotonicTime.now
            lease.interrupt()
            for caller in callers { caller.join() }
            for (error, end) in ends.withLock({ $0 }) {
                #expect(error == .cancelled)
                #expect(end - cancelled < .seconds(5))
            }
            // A later one is made.
            let later = Thread("caller") {
                let error = LeaseTests.failure { () throws(LeaseError) in _ = try lease.read() }
                ends.withLock { $0.append((error, .now)) }
            }
            pause(.milliseconds(100))
            #expect(ends.withLock { $0.count } == 3)
            lease.interrupt()
            later.join()
            #expect(ends.withLock { $0.last?.0 } == .cancelled)
        }
    }
}

/// What a server was asked: method, path, authorisation and body.
final class Requests: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    func add(_ request: HTTPRequest) {
        let line =
            "\(request.method) \(request.path) \(request.headers["Authorization"] ?? "-") "
            + String(decoding: request.body, as: UTF8.self)
        lines.withLock { $0.append(line) }
    }
}
