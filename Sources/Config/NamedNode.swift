/// The node that reads the settings, as far as names and addresses go.
struct NamedNode {
    let hostname: String
    let address: ListenAddress

    /// Whether a name is this node's, without looking it up.
    func isNamed(_ name: String) -> Bool {
        !hostname.isEmpty && Self.normalized(name) == Self.normalized(hostname)
    }

    /// Whether the URL certainly leads to this node's own server.
    func isReached(by url: AdvertiseURL) -> Bool {
        guard url.port == address.port else { return false }
        let host = Self.normalized(url.host)
        if isNamed(host) { return true }
        if !address.isWildcard && host == Self.normalized(address.host) { return true }
        let isLoopback = host == "localhost" || host == "::1" || host.hasPrefix("127.")
        return isLoopback && (address.isWildcard || address.host == "localhost")
    }

    /// Whether the URL leads to a longer form of this node's name, such as the one that a headless service gives.
    func isProbablyReached(by url: AdvertiseURL) -> Bool {
        guard url.port == address.port, !hostname.isEmpty else { return false }
        let host = Self.normalized(url.host)
        let name = Self.normalized(hostname)
        return host.hasPrefix(name + ".") || name.hasPrefix(host + ".")
    }

    /// The part of a name before the first dot, in lower case.
    static func firstLabel(_ name: String) -> String {
        String(normalized(name).prefix { $0 != "." })
    }

    private static func normalized(_ name: String) -> String {
        let lowered = name.lowercased()
        return lowered.hasSuffix(".") ? String(lowered.dropLast()) : lowered
    }
}
