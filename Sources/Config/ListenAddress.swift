/// Where a server listens: a host, which may be empty for every address of the machine, and a port.
public struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// A name or an address, without the brackets of IPv6; empty for all addresses.
    public let host: String

    /// The port; 0 lets the system choose one.
    public let port: UInt16

    /// Makes an address from its parts.
    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Why a text is no address.
    public struct ParseFailure: Error, Equatable, Sendable, CustomStringConvertible {
        /// What is wrong with the text.
        public let description: String
    }

    /// Reads `host:port`, `:port` or `[ipv6]:port`.
    ///
    /// - Throws: `ParseFailure` when the port is missing or no number up to 65535, or colons are ambiguous.
    public init(parsing text: String) throws(ParseFailure) {
        guard let colon = text.lastIndex(of: ":"), text.last != "]" else {
            throw ParseFailure(description: "address \(quoted(text)): missing port in address")
        }
        var host = text[..<colon]
        let digits = text[text.index(after: colon)...]
        if host.first == "[" {
            guard host.last == "]", host.count > 2 else {
                throw ParseFailure(description: "address \(quoted(text)): missing ']' in address")
            }
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw ParseFailure(description: "address \(quoted(text)): too many colons in address")
        }
        guard host.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0 != "/" && $0 != "[" && $0 != "]" })
        else {
            throw ParseFailure(description: "address \(quoted(text)): invalid character in host")
        }
        guard digits.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let port = UInt16(digits) else {
            throw ParseFailure(description: "address \(quoted(text)): invalid port \(quoted(String(digits)))")
        }
        self.init(host: String(host), port: port)
    }

    /// Whether the server is reached under every address of the machine.
    public var isWildcard: Bool { host.isEmpty || host == "0.0.0.0" || host == "::" }

    /// The form that can be read back.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
