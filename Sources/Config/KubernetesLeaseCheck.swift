/// Finds the mistakes that can be made with a Kubernetes lease, before anything is asked of the API server.
public enum KubernetesLeaseCheck {
    /// The shortest and the longest `lease.kubernetes.duration`.
    ///
    /// Shorter ones end with every pause of the API server; longer ones leave a cluster without a primary.
    public static let durations: ClosedRange<Duration> = .seconds(3) ... .seconds(3_600)

    /// Checks the section `lease`; nothing is found unless its type is `kubernetes`.
    ///
    /// - Parameters:
    ///   - config: The settings.
    ///   - hostname: The value of HOSTNAME; empty when it is not known.
    ///   - isInCluster: Whether the environment says where the API server is.
    /// - Returns: Problems and warnings, each with the key it is about.
    public static func run(_ config: Config, hostname: String, isInCluster: Bool) -> LeaseFindings {
        guard config.lease.type == "kubernetes" else { return LeaseFindings() }
        let kubernetes = config.lease.kubernetes
        var findings = LeaseFindings()
        if !isObjectName(kubernetes.name) {
            findings.fail(
                "lease.kubernetes.name",
                "lease.kubernetes.name \(quoted(kubernetes.name)) is no name of a Lease object",
                "write a name such as app, the same on every node of this cluster: lower-case letters, digits, - and ."
            )
        }
        if !kubernetes.namespace.isEmpty, !isObjectName(kubernetes.namespace) {
            findings.fail(
                "lease.kubernetes.namespace",
                "lease.kubernetes.namespace \(quoted(kubernetes.namespace)) is no name of a namespace",
                "remove it for the namespace of the service account"
            )
        }
        let duration = kubernetes.duration.duration
        if !durations.contains(duration) || duration.components.attoseconds != 0 {
            findings.fail(
                "lease.kubernetes.duration",
                "lease.kubernetes.duration is \(kubernetes.duration)",
                "write whole seconds, from 3s to 1h; 15s is the default"
            )
        }
        if kubernetes.url.isEmpty {
            if !isInCluster {
                findings.fail(
                    "lease.kubernetes.url",
                    "it is not known where the API server is: KUBERNETES_SERVICE_HOST is not set",
                    "run in a pod, or write lease.kubernetes.url, such as https://10.0.0.1:6443"
                )
            }
        } else if !["https://", "http://"].contains(where: { kubernetes.url.hasPrefix($0) }) {
            findings.fail(
                "lease.kubernetes.url",
                "lease.kubernetes.url \(quoted(kubernetes.url)) is no URL",
                "write one such as https://10.0.0.1:6443"
            )
        }
        if config.fuse.passthrough == "on" {
            findings.fail(
                "fuse.passthrough",
                "fuse.passthrough is on, but a primary that loses its lease could not keep programs from writing past it",
                "write auto, or lease: {type: static}"
            )
        }
        if hostname.isEmpty, config.lease.hostname.isEmpty {
            findings.fail(
                "lease.hostname",
                "this node has no name: HOSTNAME is not set, and the machine has none",
                "write lease.hostname"
            )
        }
        checkURL(config, hostname, &findings)
        return findings
    }

    private static func checkURL(_ config: Config, _ hostname: String, _ findings: inout LeaseFindings) {
        let text = config.lease.advertiseURL
        let remedy = "write where the other nodes reach this one, such as http://${HOSTNAME}.app:20202"
        guard !text.isEmpty else {
            return findings.fail(
                "lease.advertise-url",
                "a node whose lease can move needs lease.advertise-url",
                remedy
            )
        }
        do throws(AdvertiseURL.ParseFailure) {
            let url = try AdvertiseURL(parsing: text)
            let node = NamedNode(hostname: hostname, address: config.http.addr)
            let isAddress = url.host.contains(":") || url.host.allSatisfy { $0.isNumber || $0 == "." }
            if config.lease.candidate, !isAddress, !hostname.isEmpty, !node.isReached(by: url),
                !node.isProbablyReached(by: url)
            {
                findings.warn(
                    "lease.advertise-url",
                    "lease.advertise-url \(quoted(text)) does not begin with this node's name (HOSTNAME is "
                        + "\(quoted(hostname))); with this lease it is each node's own URL, not the primary's",
                    remedy
                )
            }
        } catch {
            findings.fail("lease.advertise-url", "cannot use lease.advertise-url: \(error)", remedy)
        }
    }

    /// Whether the API server takes it for a name: RFC 1123, at most 253 characters.
    private static func isObjectName(_ name: String) -> Bool {
        guard (1...253).contains(name.utf8.count), let first = name.utf8.first, let last = name.utf8.last
        else { return false }
        func isPlain(_ byte: UInt8) -> Bool { (97...122).contains(byte) || (48...57).contains(byte) }
        return isPlain(first) && isPlain(last) && name.utf8.allSatisfy { isPlain($0) || $0 == 45 || $0 == 46 }
    }
}
