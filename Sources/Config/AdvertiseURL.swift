/// The URL by which nodes reach the HTTP server of the primary: `http://HOST[:PORT]`.
public struct AdvertiseURL: Hashable, Sendable, CustomStringConvertible {
    /// The name or address, without the brackets of IPv6.
    public let host: String

    /// The port, 80 when the URL names none.
    public let port: UInt16

    /// What follows the host and port; it is not used.
    public let path: String

    /// Why a text is no such URL.
    public struct ParseFailure: Error, Equatable, Sendable, CustomStringConvertible {
        /// What is wrong, and what to write instead.
        public let description: String
    }

    /// Reads a URL.
    ///
    /// - Throws: `ParseFailure` for another scheme than `http`, a missing host, credentials, or a bad port.
    public init(parsing text: String) throws(ParseFailure) {
        let form = "write http://HOST:PORT with the primary's host, for example http://app-0.app:20202"
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else {
            throw ParseFailure(description: "invalid URL scheme: \(quoted(text)) has none; \(form)")
        }
        let scheme = text[..<colon].lowercased()
        guard scheme == "http" else {
            let reason =
                scheme == "https" ? "TLS between nodes is not built" : "only http is spoken between nodes"
            throw ParseFailure(description: "invalid URL scheme: \(quoted(text)); \(reason); \(form)")
        }
        let rest = text[text.index(colon, offsetBy: 3)...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        var authority = String(rest[..<end])
        guard !authority.contains("@") else {
            throw ParseFailure(
                description: "invalid URL: it holds credentials, which are not used here; \(form)"
            )
        }
        guard !authority.isEmpty, authority.first != ":" else {
            throw ParseFailure(description: "URL host required: \(quoted(text)) names none; \(form)")
        }
        let isBracketed = authority.last == "]"
        if isBracketed || !authority.contains(":") { authority += ":80" }
        if authority.last == ":" { authority += "80" }
        let address: ListenAddress
        do {
            address = try ListenAddress(parsing: authority)
        } catch {
            throw ParseFailure(description: "invalid URL \(quoted(text)): \(error); \(form)")
        }
        host = address.host
        port = address.port
        path = String(rest[end...])
    }

    /// The URL without its path.
    public var description: String { "http://\(ListenAddress(host: host, port: port))" }
}
