import HTTP
import JSON

// What the server means by an answer that is no object, and what to do about it.
extension KubernetesLease {
    /// The longest text of the server in an error, in bytes.
    private static let messageLimit = 300

    /// Whether an answer of status 404 says that the object is missing, and not the namespace or the whole API.
    func isAboutTheLease(_ answer: HTTPClient.Response) -> Bool {
        guard let status = try? JSONValue.parse(answer.body), status["kind"]?.string == "Status" else {
            return false
        }
        return status["details"]?["kind"]?.string == "leases"
            && status["details"]?["name"]?.string == options.name
    }

    /// The error of an answer that says no.
    func failure(_ answer: HTTPClient.Response, of call: Call) -> LeaseError {
        let message = Self.message(answer)
        let text = "cannot \(call.action): the API server \(url) answers \(answer.status), \(message)"
        switch answer.status {
        case 401:
            return .refused(
                text + "; it does not accept the token in \(options.tokenFile): see that the file is "
                    + "a token of this cluster, and that its service account exists"
            )
        case 403:
            return .refused(
                text + "; verb \(call.verb.rawValue) of \(call.resource) in namespace \(namespace) "
                    + "is not allowed: bind the service account to a Role with the rule " + Self.rule(call)
            )
        case 404 where call.verb == .patch:
            return .refused(text + "; write the pod's name as lease.kubernetes.pod")
        case 404:
            return .refused(
                text + "; look at lease.kubernetes.namespace, which is \(namespace), and lease.kubernetes.url"
            )
        case 408, 429, 500...:
            return .unreachable(text)
        // Of two who label a pod at once one has to try again.
        case 409:
            return .unreachable(text)
        case 200..<300:
            return .unreadable(text)
        case 300..<400:
            return .refused(text + "; look whether lease.kubernetes.url is that of an API server")
        default:
            return .refused(text)
        }
    }

    /// What a node needs to be allowed.
    private static func rule(_ call: Call) -> String {
        call.resource == "pods"
            ? #"{apiGroups: [""], resources: [pods], verbs: [get, patch]}"#
            : "{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}"
    }

    /// What the server says, on one line and not too long.
    private static func message(_ answer: HTTPClient.Response) -> String {
        let status = try? JSONValue.parse(answer.body)
        let said =
            status?["message"]?.string ?? String(decoding: answer.body.prefix(messageLimit), as: UTF8.self)
        var line = ""
        for scalar in said.unicodeScalars {
            guard line.utf8.count + UTF8.width(scalar) <= messageLimit else { break }
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            line.unicodeScalars.append(isControl ? " " : scalar)
        }
        line = line.split(separator: " ").joined(separator: " ")
        return line.isEmpty ? "without a word" : line
    }
}
