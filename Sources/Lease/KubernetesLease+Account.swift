import HTTP
import POSIX

// What a pod is given by its cluster: where the server is, the namespace, the token.
extension KubernetesLease {
    /// The longest token and the longest name of a namespace that are read, in bytes.
    private static let fileLimit = 64 << 10

    /// The server that the environment of a pod names.
    static func ownServer(_ options: Options) throws(LeaseError) -> String {
        let host = CurrentProcess.environment("KUBERNETES_SERVICE_HOST") ?? ""
        guard !host.isEmpty else {
            throw .refused(
                "it is not known where the API server of Lease \(options.name) is: KUBERNETES_SERVICE_HOST is not set; "
                    + "run in a pod, or write lease.kubernetes.url"
            )
        }
        return server(host: host, port: CurrentProcess.environment("KUBERNETES_SERVICE_PORT") ?? "443")
    }

    /// The URL of a host, which may be an IPv6 address, and a port.
    static func server(host: String, port: String) -> String {
        host.contains(":") ? "https://[\(host)]:\(port)" : "https://\(host):\(port)"
    }

    /// The namespace of the service account.
    static func ownNamespace(_ options: Options) throws(LeaseError) -> String {
        let folder = options.tokenFile.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        let path = (folder + ["namespace"]).joined(separator: "/")
        let remedy = "; let the pod have a service account's token, or write lease.kubernetes.namespace"
        let what = "it is not known in which namespace Lease \(options.name) is: "
        do {
            let namespace = trimmed(try Files.read(path, limit: fileLimit))
            guard !namespace.isEmpty else { throw LeaseError.refused(what + "\(path) is empty" + remedy) }
            return namespace
        } catch let error as LeaseError {
            throw error
        } catch {
            throw .refused(what + "\(path): \(error)" + remedy)
        }
    }

    /// The token as it stands in its file now; nil for a request without one.
    func token(for call: Call) throws(LeaseError) -> String? {
        let path = options.tokenFile
        let reason: String
        do {
            let token = Self.trimmed(try Files.read(path, limit: Self.fileLimit))
            if HTTPHeaders.isValid(name: "Authorization", value: token), !token.isEmpty { return token }
            reason = token.isEmpty ? "is empty" : "is no token"
        } catch {
            reason = "cannot be read: \(error)"
        }
        guard isSecure else { return nil }
        throw .refused(
            "cannot \(call.action): \(path) \(reason); let the pod have its service account's token "
                + "(automountServiceAccountToken), or write lease.kubernetes.token-file"
        )
    }

    /// Whether the server has to be vouched for.
    private var isSecure: Bool { !url.lowercased().hasPrefix("http://") }

    /// A file's text without white space around it.
    private static func trimmed(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
