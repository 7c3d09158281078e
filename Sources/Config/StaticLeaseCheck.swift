/// Finds the classic mistakes with a static lease, in which one node is the primary because its settings say so.
///
/// The node with `candidate: true` is the primary. On every other node `hostname` and `advertise-url` are the
/// primary's, not the node's own.
public enum StaticLeaseCheck {
    /// What was found.
    public typealias Findings = LeaseFindings

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
        let node = NamedNode(hostname: hostname, address: address)
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

    private static func checkReplica(_ lease: Config.Lease, _ node: NamedNode, _ findings: inout Findings) {
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

    private static func checkPrimary(_ lease: Config.Lease, _ node: NamedNode, _ findings: inout Findings) {
        let url = lease.advertiseURL.isEmpty ? nil : parse(lease.advertiseURL, &findings)
        let name = NamedNode.firstLabel(lease.hostname)
        guard !name.isEmpty, !node.hostname.isEmpty, name != NamedNode.firstLabel(node.hostname) else {
            return
        }
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
