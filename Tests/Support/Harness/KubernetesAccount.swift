import JSON
import POSIX

/// A namespace of a `KubernetesAPI` with a service account for the nodes in it, which may do what a node needs and nothing else.
package final class KubernetesAccount: Sendable {
    /// The namespace's name.
    package let namespace: String
    /// The server.
    package let api: KubernetesAPI
    /// Where `token`, `ca.crt` and `namespace` lie, as kubelet puts them in a pod.
    package var credentials: String { folder.path }
    /// The file with the token.
    package var tokenFile: String { folder.path + "/token" }
    private let folder: TestFolder

    /// What a node needs to be allowed.
    private static let rules = #"""
        [{"apiGroups":["coordination.k8s.io"],"resources":["leases"],"verbs":["get","create","update"]},
        {"apiGroups":[""],"resources":["pods"],"verbs":["get","patch"]}]
        """#

    /// Makes namespace, account and token, and waits until the server lets the account in.
    ///
    /// - Parameters:
    ///   - namespace: The namespace's name, new.
    ///   - api: The server.
    /// - Throws: When the server refuses.
    package init(_ namespace: String, of api: KubernetesAPI) throws {
        self.namespace = namespace
        self.api = api
        folder = try TestFolder()
        let path = "/api/v1/namespaces/" + namespace
        try api.demand("POST", "/api/v1/namespaces", #"{"metadata":{"name":"\#(namespace)"}}"#)
        try api.demand("POST", path + "/serviceaccounts", #"{"metadata":{"name":"node"}}"#)
        let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/\(namespace)/"
        try api.demand("POST", roles + "roles", #"{"metadata":{"name":"node"},"rules":\#(Self.rules)}"#)
        try api.demand(
            "POST",
            roles + "rolebindings",
            #"""
            {"metadata":{"name":"node"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"node"},
            "subjects":[{"kind":"ServiceAccount","name":"node","namespace":"\#(namespace)"}]}
            """#
        )
        try Files.replace(folder.path + "/ca.crt", with: Files.read(api.certificate))
        try Files.replace(folder.path + "/namespace", with: Array(namespace.utf8))
        let token = try makeToken("first")
        try use(token)
        try eventually("the server lets the account of \(namespace) in") {
            try api.ask("GET", leasePath("none"), token: token).status == 404
        }
    }

    /// The path of a Lease object.
    package func leasePath(_ name: String) -> String {
        "/apis/coordination.k8s.io/v1/namespaces/\(namespace)/leases/\(name)"
    }

    /// The path of a Pod object.
    package func podPath(_ name: String) -> String { "/api/v1/namespaces/\(namespace)/pods/\(name)" }

    /// Makes a token that is good as long as it is not revoked.
    package func makeToken(_ name: String) throws -> String {
        let path = "/api/v1/namespaces/" + namespace
        try api.demand("POST", path + "/secrets", #"{"metadata":{"name":"\#(name)"}}"#)
        let answer = try api.demand(
            "POST",
            path + "/serviceaccounts/node/token",
            #"""
            {"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":7200,
            "audiences":["https://kubernetes.default.svc"],
            "boundObjectRef":{"apiVersion":"v1","kind":"Secret","name":"\#(name)"}}}
            """#
        )
        return try required(answer["status"]?["token"]?.string, "the answer has a token")
    }

    /// Ends a token; the server goes on accepting it for about ten seconds.
    package func revokeToken(_ name: String) throws {
        try api.demand("DELETE", "/api/v1/namespaces/\(namespace)/secrets/\(name)")
    }

    /// Puts a token into the file.
    package func use(_ token: String) throws { try Files.replace(tokenFile, with: Array(token.utf8)) }

    /// Makes a Pod object, with labels such as `{"app":"x"}`.
    package func makePod(_ name: String, labels: String = "{}") throws {
        try api.demand(
            "POST",
            "/api/v1/namespaces/\(namespace)/pods",
            #"""
            {"metadata":{"name":"\#(name)","labels":\#(labels)},
            "spec":{"automountServiceAccountToken":false,"containers":[{"name":"app","image":"app"}]}}
            """#
        )
    }

    /// The labels of a Pod object.
    package func labels(ofPod name: String) throws -> [String: String] {
        let labels = try api.demand("GET", podPath(name))["metadata"]?["labels"]
        guard case .object(let members)? = labels else { return [:] }
        return Dictionary(uniqueKeysWithValues: members.map { ($0.name, $0.value.string ?? "") })
    }
}
