/// Finds the classic mistakes with a static lease, in which one node is the primary because its settings say so.
///
/// The node with `candidate: true` is the primary. On every other node `hostname` and `advertise-url` are the
/// primary's, not the node's own.
public enum StaticLeaseCheck {
    /// What was found: problems stop the start, warnings are logged.
    public struct Findings: Equatable, Sendable {
        /// What cannot work.
        public internal(set) var problems: [ConfigProblem] = []

        /// What is probably not meant.
        public internal(set) var warnings: [ConfigProblem] = []
    }

    /// Checks the section `lease`; nothing is found unless its type is `static`.
    ///
    /// - Parameters:
    ///   - lease: The section.
    ///   - address: Where this node's HTTP server listens.
    ///   - hostname: The value of HOSTNAME; empty when it is not known.
    ///   - systemHostname: The name the system gives the machine; nil when it is not known.
    /// - Returns: Problems and warnings, each with the key it is about.
    public static func run(
        _ lease: Config.Lease,
        listening address: ListenAddress,
        hostname: String,
        systemHostname: String? = nil
    ) -> Findings {
        guard lease.type == "static" else { return Findings() }
        var findings = Findings()
        let node = Node(hostname: hostname, address: address)
        if lease.candidate {
            checkPrimary(lease, node, &findings)
        } else {
            checkReplica(lease, node, &findings)
        }
        if let systemHostname, !systemHostname.isEmpty, !hostname.isEmpty, systemHostname != hostname {
            findings.warn(
                nil,
                "HOSTNAME is \(quoted(hostname)), but this machine is called \(quoted(systemHostname))",
                "if litefs.yml compares HOSTNAME, remove the variable from the environment of this container"
            )
        }
        return findings
    }

    private static func checkReplica(_ lease: Config.Lease, _ node: Node, _ findings: inout Findings) {
        guard !lease.advertiseURL.isEmpty else {
            findings.fail(
                "lease.advertise-url",
                "a replica needs lease.advertise-url",
                "write the primary's URL, such as http://app-0.app:20202, or set lease.candidate to true if this "
                    + "node is the primary"
            )
            return
        }
        if lease.hostname.isEmpty {
            findings.warn(
                "lease.hostname",
                "lease.hostname is not set, so .primary on the mount will name no host",
                "write the primary's host name"
            )
        } else if node.isNamed(lease.hostname) {
            findings.warn(
                "lease.hostname",
                "this node is a replica, but lease.hostname \(quoted(lease.hostname)) is its own name",
                "write the primary's host name, the same on all nodes"
            )
        }
        guard let url = parse(lease.advertiseURL, &findings) else { return }
        if node.isReached(by: url) {
            findings.fail(
                "lease.advertise-url",
                "this node is a replica, but lease.advertise-url \(quoted(lease.advertiseURL)) is the node itself "
                    + "(HOSTNAME is \(quoted(node.hostname)), http.addr is \(node.address))",
                "write the primary's URL, the same on all nodes, for example http://app-0.app:20202; "
                    + "do not use ${HOSTNAME} in it"
            )
        } else if node.isProbablyReached(by: url) {
            findings.warn(
                "lease.advertise-url",
                "this node is a replica, but lease.advertise-url \(quoted(lease.advertiseURL)) begins with its own "
                    + "name (HOSTNAME is \(quoted(node.hostname)))",
                "write the primary's URL, the same on all nodes; do not use ${HOSTNAME} in it"
            )
        }
    }

    private static func checkPrimary(_ lease: Config.Lease, _ node: Node, _ findings: inout Findings) {
        let url = lease.advertiseURL.isEmpty ? nil : parse(lease.advertiseURL, &findings)
        let name = Node.firstLabel(lease.hostname)
        guard !name.isEmpty, !node.hostname.isEmpty, name != Node.firstLabel(node.hostname) else { return }
        // An advertised URL that leads here settles it: the host name is then only a name for the application.
        if let url, node.isReached(by: url) || node.isProbablyReached(by: url) { return }
        findings.warn(
            "lease.candidate",
            "this node is the primary, because lease.candidate is true, but lease.hostname names "
                + "\(quoted(lease.hostname)) and HOSTNAME is \(quoted(node.hostname)); with two primaries the data of "
                + "the nodes part ways",
            "set lease.candidate to false on every node but one, for example candidate: ${HOSTNAME == '\(name)'}"
        )
    }

    private static func parse(_ text: String, _ findings: inout Findings) -> AdvertiseURL? {
        do {
            let url = try AdvertiseURL(parsing: text)
            if !url.path.isEmpty && url.path != "/" {
                findings.warn(
                    "lease.advertise-url",
                    "lease.advertise-url \(quoted(text)) has a path, which is not used",
                    "write \(url)"
                )
            }
            return url
        } catch {
            findings.fail(
                "lease.advertise-url",
                "cannot use lease.advertise-url: \(error)",
                "it must be the primary's URL on every node"
            )
            return nil
        }
    }
}

extension StaticLeaseCheck.Findings {
    fileprivate mutating func fail(_ key: String, _ message: String, _ remedy: String) {
        problems.append(ConfigProblem(key: key, message: message, remedy: remedy))
    }

    fileprivate mutating func warn(_ key: String?, _ message: String, _ remedy: String) {
        warnings.append(ConfigProblem(key: key, message: message, remedy: remedy))
    }
}

/// The node that reads the settings, as far as names and addresses go.
private struct Node {
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
