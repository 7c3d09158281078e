import POSIX

/// A listening address as written in a configuration: `HOST:PORT`, `[IPV6]:PORT` or `:PORT`.
package struct ListenAddress {
    let text: String
    let host: String
    let port: UInt16

    package init(_ text: String) throws(HTTPServerError) {
        guard let colon = text.lastIndex(of: ":") else {
            throw .invalidAddress(text, reason: "the port is missing")
        }
        guard let port = UInt16(text[text.index(after: colon)...]) else {
            throw .invalidAddress(text, reason: "the port is not a number from 0 to 65535")
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw .invalidAddress(text, reason: "an IPv6 address must stand in brackets")
        }
        self.text = text
        self.host = String(host)
        self.port = port
    }

    /// Opens the socket: for all interfaces one that takes IPv6 and IPv4, else the host's first usable address.
    func listen(backlog: Int32) throws(HTTPServerError) -> Socket {
        let found = SocketAddress.resolve(host: host, port: port)
        let (version4, version6) = (found.filter { !$0.isIPv6 }, found.filter(\.isIPv6))
        var failure: Errno?
        for address in host.isEmpty ? version6 + version4 : version4 + version6 {
            do throws(Errno) {
                return try Socket.listen(on: address, backlog: backlog)
            } catch .addressInUse {
                throw .addressInUse(text)
            } catch .accessDenied {
                throw .notPermitted(text)
            } catch {
                // Perhaps only this family is switched off.
                failure = failure ?? error
            }
        }
        guard let failure else { throw .invalidAddress(text, reason: "the host is unknown") }
        throw .cannotListen(text, failure)
    }
}
