/// Answers a request; called on the connection's own thread, which it may block.
public typealias HTTPHandler = @Sendable (HTTPRequest) -> HTTPResponse

/// An answer to a request.
public struct HTTPResponse: Sendable {
    /// What follows the header.
    public enum Body: Sendable {
        /// These bytes.
        case bytes([UInt8])
        /// Whatever the source gives, piece by piece.
        ///
        /// With `length`, exactly so many bytes, announced in advance. Without it the peer gets chunked encoding, or
        /// the end of the connection when it speaks only HTTP/1.0.
        case stream(any ResponseBody, length: UInt64? = nil)
    }

    /// The status code, for example 200.
    public var status: Int
    /// The header fields, without those about length and transfer, which the server sets.
    public var headers: HTTPHeaders
    /// The body.
    public var body: Body

    /// An answer made of its parts.
    public init(status: Int = 200, headers: HTTPHeaders = [:], body: Body = .bytes([])) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Plain text, as it is.
    public static func text(_ text: String, status: Int = 200) -> HTTPResponse {
        HTTPResponse(
            status: status,
            headers: ["Content-Type": "text/plain; charset=utf-8"],
            body: .bytes(Array(text.utf8))
        )
    }

    /// An error: its message and a newline as plain text.
    public static func error(_ status: Int, _ message: String) -> HTTPResponse {
        .text(message + "\n", status: status)
    }
}

/// A source of an answer's bytes.
public protocol ResponseBody: AnyObject, Sendable {
    /// Whether it is cancelled, within about a second, when the peer ends its side of the connection or dies; else that is noticed
    /// when something is sent.
    var endsWithPeer: Bool { get }

    /// Fills the start of `buffer` (never empty; the memory is only lent) and returns how many bytes are there.
    ///
    /// Called on the connection's thread; may block until there is something to send, and what it returns is sent at
    /// once. 0 ends the answer. An error cuts the connection off so that the peer notices that the answer is not complete.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int

    /// Called exactly once: when the answer is complete, the connection has ended, or the server stops.
    ///
    /// In the last case, and with `endsWithPeer`, on another thread while `read` may be running, which must then return soon.
    func cancel()
}

extension ResponseBody {
    /// A body that sends all the time needs no more.
    public var endsWithPeer: Bool { false }
}
