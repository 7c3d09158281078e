/// A request as a handler gets it: complete, its body included.
public struct HTTPRequest: Sendable {
    /// The method, for example `GET`.
    public let method: String
    /// The path, percent-decoded.
    public let path: String
    /// The query parameters in order, decoded.
    public let query: [(name: String, value: String)]
    /// The header fields.
    public let headers: HTTPHeaders
    /// The body; at most as long as the server's limit.
    public let body: [UInt8]
    /// The peer's address and port, for example `10.0.0.7:51234`.
    public let remoteAddress: String

    /// A request made of its parts.
    public init(
        method: String,
        path: String,
        query: [(name: String, value: String)] = [],
        headers: HTTPHeaders = [:],
        body: [UInt8] = [],
        remoteAddress: String = ""
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.remoteAddress = remoteAddress
    }

    /// The first value of a query parameter; nil when it was not given.
    public func parameter(_ name: String) -> String? {
        query.first { $0.name == name }?.value
    }

    /// All values of a query parameter, in order.
    public func parameters(_ name: String) -> [String] {
        query.filter { $0.name == name }.map(\.value)
    }
}
