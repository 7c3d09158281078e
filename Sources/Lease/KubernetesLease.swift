import HTTP
import JSON
import POSIX
import Synchronization

/// The record as a Lease of a Kubernetes API server.
///
/// One call is one request on a connection of its own. Usable from several threads at once; a call blocks for `Options.requestLimit` at
/// most. Errors name the object, the server and what to do.
public final class KubernetesLease: LeaseService {
    /// Where the object is, and how the server is reached.
    public struct Options: Sendable {
        /// The Lease object's name.
        public var name: String
        /// Where it is; empty for the namespace in the file `namespace` beside the token file.
        public var namespace = ""
        /// The API server; empty for the one of the cluster that the pod runs in.
        public var url = ""
        /// The token of the service account; read for each request, because kubelet replaces it from time to time.
        ///
        /// With an http URL the file may be missing: whoever stands between may have a token of its own.
        public var tokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"
        /// The authorities that may vouch for the server, in PEM; read for each request, and not used with http.
        public var caFile = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
        /// The longest time for one request, connecting included.
        public var requestLimit: Duration = .seconds(5)

        /// The defaults inside a pod, for an object of this name.
        public init(name: String) { self.name = name }
    }

    /// The longest answer that is read, in bytes.
    static let answerLimit = 1 << 20

    /// `Lease NAMESPACE/NAME`.
    public let name: String
    let options: Options
    let namespace: String
    /// Without a slash at the end.
    let url: String
    private let client: Mutex<HTTPClient>
    private let limits: HTTPClient.Limits

    /// Finds out where server and namespace are; asks nobody yet.
    ///
    /// - Throws: `.refused` when the settings leave that open, and neither environment nor service account says it.
    public init(_ options: Options) throws(LeaseError) {
        self.options = options
        namespace = options.namespace.isEmpty ? try Self.ownNamespace(options) : options.namespace
        name = "Lease \(namespace)/\(options.name)"
        var url = options.url.isEmpty ? try Self.ownServer(options) : options.url
        while url.last == "/" { url.removeLast() }
        self.url = url
        var limits = HTTPClient.Limits()
        limits.connect = options.requestLimit
        limits.stall = options.requestLimit
        limits.request = options.requestLimit
        limits.responseBody = Self.answerLimit
        self.limits = limits
        client = Mutex(HTTPClient(trust: .file(options.caFile), limits: limits))
    }

    /// Reads the object; nil when there is none.
    public func read() throws(LeaseError) -> StoredLease? {
        let call = Call(verb: .get, action: "read \(name)", path: leasePath)
        let answer = try ask(call)
        if answer.status == 404, isAboutTheLease(answer) { return nil }
        return try stored(answer, of: call)
    }

    /// Creates the object.
    ///
    /// - Throws: `.conflict` when there is one already.
    public func create(_ record: LeaseRecord) throws(LeaseError) -> StoredLease {
        let body = object(record, replacing: nil)
        let call = Call(verb: .create, action: "create \(name)", path: leasesPath, body: body)
        let answer = try ask(call)
        if answer.status == 409 { throw .conflict }
        return try stored(answer, of: call)
    }

    /// Writes the object as it was read, with the record replaced: labels, annotations and owners that others gave it stay.
    ///
    /// - Throws: `.conflict` when somebody else wrote or deleted it since.
    public func replace(_ stored: StoredLease, by record: LeaseRecord) throws(LeaseError) -> StoredLease {
        let body = object(record, replacing: stored)
        let call = Call(verb: .update, action: "write \(name)", path: leasePath, body: body)
        let answer = try ask(call)
        if answer.status == 409 || answer.status == 404 && isAboutTheLease(answer) { throw .conflict }
        return try self.stored(answer, of: call)
    }

    /// Sets the label `litefs.io/role` of a pod to `primary` or `replica`.
    public func label(pod: String, isPrimary: Bool) throws(LeaseError) {
        let label = JSONMember(name: "litefs.io/role", value: .string(isPrimary ? "primary" : "replica"))
        let labels = JSONValue.object([JSONMember(name: "labels", value: .object([label]))])
        let call = Call(
            verb: .patch,
            action: "label pod \(namespace)/\(pod)",
            path:
                "/api/v1/namespaces/\(PercentEncoding.encoded(namespace))/pods/\(PercentEncoding.encoded(pod))",
            body: .object([JSONMember(name: "metadata", value: labels)])
        )
        let answer = try ask(call)
        guard answer.status == 200 else { throw failure(answer, of: call) }
    }

    /// Ends calls that are under way; later ones are made.
    public func interrupt() {
        let next = HTTPClient(trust: .file(options.caFile), limits: limits)
        let present = client.withLock { client in
            defer { client = next }
            return client
        }
        present.cancel()
    }

    // MARK: - One request

    /// A request in the server's words.
    struct Call {
        /// What the server calls it in roles.
        enum Verb: String {
            case get
            case create
            case update
            case patch

            var method: String {
                switch self {
                case .get: "GET"
                case .create: "POST"
                case .update: "PUT"
                case .patch: "PATCH"
                }
            }
        }

        let verb: Verb
        /// What cannot be done when it fails.
        let action: String
        let path: String
        var body: JSONValue?

        /// Pods are patched, leases are not.
        var resource: String { verb == .patch ? "pods" : "leases" }
    }

    private var leasesPath: String {
        "/apis/coordination.k8s.io/v1/namespaces/\(PercentEncoding.encoded(namespace))/leases"
    }

    private var leasePath: String { leasesPath + "/" + PercentEncoding.encoded(options.name) }

    private func object(_ record: LeaseRecord, replacing stored: StoredLease?) -> JSONValue {
        LeaseObject.object(
            record,
            name: options.name,
            namespace: namespace,
            replacing: stored,
            now: WallClock.microseconds
        )
    }

    /// Makes a request; returns the answer whatever its status.
    private func ask(_ call: Call) throws(LeaseError) -> HTTPClient.Response {
        var headers: HTTPHeaders = ["Accept": "application/json"]
        if let token = try token(for: call) { headers["Authorization"] = "Bearer " + token }
        var bytes: [UInt8] = []
        if let body = call.body {
            headers["Content-Type"] =
                call.verb == .patch ? "application/merge-patch+json" : "application/json"
            var writer = JSONWriter(escapesHTML: false)
            writer.value(body)
            bytes = writer.bytes
        }
        do throws(HTTPClientError) {
            return try client.withLock { $0 }
                .request(call.verb.method, url + call.path, headers: headers, body: bytes)
        } catch {
            let text = "cannot \(call.action): \(error)"
            switch error.kind {
            case .cancelled: throw .cancelled
            case .untrusted:
                throw .refused(text + "; look at lease.kubernetes.url and lease.kubernetes.ca-file")
            case .invalidRequest: throw .refused(text + "; look at lease.kubernetes.url")
            case .tooLarge: throw .unreadable(text)
            case .cannotConnect, .timedOut, .stalled, .interrupted, .failed: throw .unreachable(text)
            }
        }
    }

    /// The record in an answer that says yes.
    private func stored(_ answer: HTTPClient.Response, of call: Call) throws(LeaseError) -> StoredLease {
        guard (200..<300).contains(answer.status) else { throw failure(answer, of: call) }
        let reason: String
        do {
            return try LeaseObject.stored(try JSONValue.parse(answer.body, limit: Self.answerLimit))
        } catch let error as LeaseObject.Malformed {
            reason = error.reason
        } catch {
            reason = "\(error)"
        }
        throw .unreadable(
            "\(name) of the API server \(url) cannot be understood: \(reason)"
                + " (kubectl -n \(namespace) get lease \(options.name) -o yaml)"
        )
    }
}
