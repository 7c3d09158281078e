import CCurl
import POSIX
import Synchronization

/// An HTTP client whose calls block the caller's thread until the answer is complete.
///
/// Usable from several threads at once. Proxies of the environment are not used, redirects are not followed.
public final class HTTPClient: Sendable {
    /// The protocol spoken on a connection.
    public enum WireProtocol: Sendable {
        /// HTTP/1.1.
        case http1
        /// HTTP/2 without TLS, known to be understood by the server (h2c with prior knowledge).
        case http2PriorKnowledge
    }

    /// Who may vouch for a server that is asked by https.
    ///
    /// There is no way to do without: a server that is not vouched for is not talked to, nor one with less than TLS 1.2.
    public enum Trust: Sendable, Equatable {
        /// The authorities that the system trusts.
        case system
        /// Only those in a file of PEM certificates, which is read again for each request.
        case file(String)
    }

    /// Bounds on waiting and on what an answer can take of this process.
    public struct Limits: Sendable {
        /// The longest time to connect, the look-up of the name included.
        public var connect: Duration = .seconds(5)
        /// The longest time without a byte from the peer once connected.
        public var stall: Duration = .seconds(5)
        /// The longest time for a whole `request`; `stream` has none.
        public var request: Duration = .seconds(30)
        /// The longest body of an answer to `request`, in bytes.
        public var responseBody = 16 << 20

        /// The defaults.
        public init() {}
    }

    /// An answer that was received whole.
    public struct Response: Sendable {
        /// The status code.
        public let status: Int
        /// The header fields.
        public let headers: HTTPHeaders
        /// The body.
        public let body: [UInt8]
    }

    private struct State {
        var isCancelled = false
        /// Addresses of the `CURLM` handles of calls that are running.
        var running: Set<UInt> = []
    }

    let wireProtocol: WireProtocol
    let trust: Trust
    let limits: Limits
    private let state = Mutex(State())

    /// A client for one protocol.
    public init(
        protocol wireProtocol: WireProtocol = .http1,
        trust: Trust = .system,
        limits: Limits = Limits()
    ) {
        self.wireProtocol = wireProtocol
        self.trust = trust
        self.limits = limits
    }

    /// Ends all calls that are running, and all later ones at once, with an error of kind `cancelled`.
    ///
    /// Returns at once; usable from any thread.
    public func cancel() {
        state.withLock { state in
            state.isCancelled = true
            for multi in state.running {
                // SAFETY: a handle is in the set only while it is valid.
                _ = UnsafeMutableRawPointer(bitPattern: multi).map { curl_multi_wakeup($0) }
            }
        }
    }

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Notes a call that is running; false when the client was cancelled.
    func register(_ multi: UnsafeMutableRawPointer) -> Bool {
        state.withLock { state in
            if !state.isCancelled { state.running.insert(UInt(bitPattern: multi)) }
            return !state.isCancelled
        }
    }

    func unregister(_ multi: UnsafeMutableRawPointer) {
        _ = state.withLock { $0.running.remove(UInt(bitPattern: multi)) }
    }

    /// Makes a request and returns the whole answer, whatever its status.
    public func request(
        _ method: String = "GET",
        _ url: String,
        headers: HTTPHeaders = [:],
        body: [UInt8] = []
    ) throws(HTTPClientError) -> Response {
        var status = 0
        var received = HTTPHeaders()
        var bytes: [UInt8] = []
        let limit = limits.responseBody
        func tooLarge() -> HTTPClientError {
            HTTPClientError(
                kind: .tooLarge,
                method: method,
                url: url,
                reason: "the answer is longer than \(limit) bytes"
            )
        }
        do {
            try perform(
                CurlTransfer.Request(method: method, url: url, headers: headers, body: body),
                deadline: .now + limits.request,
                onResponse: {
                    status = $0
                    received = $1
                },
                onBytes: { part in
                    guard part.count <= limit - bytes.count else { throw tooLarge() }
                    bytes.append(contentsOf: part)
                }
            )
        } catch let error as HTTPClientError {
            throw error
        } catch {
            throw HTTPClientError(kind: .failed, method: method, url: url, reason: "\(error)")
        }
        return Response(status: status, headers: received, body: bytes)
    }

    /// Makes a request and hands over the answer as it arrives, on the caller's thread.
    ///
    /// `onResponse` is called once, as soon as the header is complete, then `onBytes` for each piece of the body; the
    /// memory is only lent. Time spent in them does not count as waiting for the peer. Returns when the peer has
    /// completed the answer. Throws what a callback threw, or `HTTPClientError`.
    public func stream(
        _ method: String,
        _ url: String,
        headers: HTTPHeaders = [:],
        body: [UInt8] = [],
        onResponse: (_ status: Int, _ headers: HTTPHeaders) throws -> Void,
        onBytes: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try perform(
            CurlTransfer.Request(method: method, url: url, headers: headers, body: body),
            deadline: nil,
            onResponse: onResponse,
            onBytes: onBytes
        )
    }

    private func perform(
        _ request: CurlTransfer.Request,
        deadline: MonotonicTime?,
        onResponse: (Int, HTTPHeaders) throws -> Void,
        onBytes: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try withoutActuallyEscaping(onResponse) { onResponse in
            try withoutActuallyEscaping(onBytes) { onBytes in
                try CurlTransfer(self, request, onResponse: onResponse, onBytes: onBytes)
                    .run(deadline: deadline)
            }
        }
    }
}
