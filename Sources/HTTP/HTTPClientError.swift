/// Why a request of the client failed.
public struct HTTPClientError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it was.
    public enum Kind: Sendable, Equatable {
        /// URL, method or a header field cannot be sent.
        case invalidRequest
        /// The host is unknown or no connection came about in time.
        case cannotConnect
        /// No authority that is trusted vouches for the server, or it does not speak TLS as it must.
        case untrusted
        /// The whole request took longer than allowed.
        case timedOut
        /// The peer sent nothing for longer than allowed.
        case stalled
        /// The connection ended before the answer was complete.
        case interrupted
        /// The answer's header or body is longer than allowed.
        case tooLarge
        /// `cancel()` was called.
        case cancelled
        /// The peer does not speak the expected protocol, or another reason.
        case failed
    }

    /// What kind of failure it was.
    public let kind: Kind
    /// The request's method.
    public let method: String
    /// The request's URL.
    public let url: String
    /// The reason, in words.
    public let reason: String

    /// The request and the reason.
    public var description: String { "\(method) \(url): \(reason)" }
}
