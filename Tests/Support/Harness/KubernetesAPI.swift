import Glibc
import HTTP
import JSON
import POSIX

/// A real Kubernetes API server, as `scripts/kube-apiserver` starts one: objects are stored, validated and guarded, and no pod ever runs.
///
/// When nobody has built the server on this machine yet, the first one that is started builds it, which takes some minutes.
package final class KubernetesAPI: Sendable {
    /// The server of the suite whose test is running.
    @TaskLocal package static var shared: KubernetesAPI?

    /// Where it is asked.
    package let url: String
    /// The authority that vouches for it.
    package var certificate: String { state + "/ca.crt" }
    private let folder: TestFolder
    private let state: String
    private let namespace: NetworkNamespace?
    private let token: String

    /// Starts one that is ready.
    ///
    /// - Parameters:
    ///   - address: Where it listens; its certificate is valid for that.
    ///   - namespace: The network that the address is in; nil for that of this process.
    /// - Throws: When it cannot be built or does not start.
    package init(at address: String = "127.0.0.1", in namespace: NetworkNamespace? = nil) throws {
        let folder = try TestFolder()
        let state = folder.path + "/kubernetes"
        try Self.script(["build"], in: folder, within: .seconds(1_800))
        try Self.script(
            ["start", state, address],
            in: folder,
            entering: namespace?.entering ?? [],
            within: .seconds(120)
        )
        self.folder = folder
        self.state = state
        self.namespace = namespace
        url = text(of: state + "/url").filter { $0 != "\n" }
        token = String(text(of: state + "/tokens.csv").prefix { $0 != "," })
    }

    /// Starts one for the tests of `body`, for which it is `current`, and stops it.
    package static func share(_ body: @Sendable () async throws -> Void) async throws {
        let api = try KubernetesAPI()
        do {
            try await $shared.withValue(api) { try await body() }
        } catch {
            try api.stop()
            throw error
        }
        try api.stop()
    }

    /// The server of the suite; it has one only if it says so.
    package static func current() throws -> KubernetesAPI {
        try required(shared, "the suite has a Kubernetes API server")
    }

    /// Ends it.
    package func stop() throws { try Self.script(["stop", state], in: folder, within: .seconds(60)) }

    /// Stops its processes as they are, or lets them go on: it accepts connections then, and says nothing.
    package func freeze(_ isFrozen: Bool) throws {
        let pid = try required(
            Int32(text(of: state + "/apiserver.pid").filter { $0 != "\n" }),
            "its process ID"
        )
        try check(kill(pid, isFrozen ? SIGSTOP : SIGCONT) == 0, "the API server can be sent a signal")
    }

    private static func script(
        _ arguments: [String],
        in folder: TestFolder,
        entering: [String] = [],
        within limit: Duration
    ) throws {
        let root = #filePath.split(separator: "/").dropLast(4).map { "/\($0)" }.joined()
        let program = root + "/scripts/kube-apiserver"
        let outcome = try Outcome.of(entering + [program] + arguments, in: folder.path, within: limit)
        try check(outcome.exit == .code(0), "\(program) \(arguments): \(outcome.errors)\(outcome.output)")
    }

    // MARK: - As the administrator

    /// Asks as the administrator, or whoever has the token.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - path: What is asked for.
    ///   - body: JSON; a merge patch when the method is PATCH.
    ///   - token: Of whom asks; nil for the administrator.
    /// - Returns: The status, and the answer, null when it is no JSON.
    /// - Throws: When there is no answer.
    package func ask(
        _ method: String,
        _ path: String,
        _ body: String = "",
        token: String? = nil
    ) throws -> (status: Int, body: JSONValue) {
        let kind = method == "PATCH" ? "application/merge-patch+json" : "application/json"
        let headers: HTTPHeaders = [
            "Authorization": "Bearer " + (token ?? self.token), "Content-Type": kind,
        ]
        let (client, url) = (HTTPClient(trust: .file(certificate)), url + path)
        let request = { @Sendable in
            try client.request(method, url, headers: headers, body: Array(body.utf8))
        }
        let answer = try namespace.map { try $0.run(request) } ?? request()
        return (answer.status, (try? JSONValue.parse(answer.body)) ?? .null)
    }

    /// Asks as the administrator for what must work.
    @discardableResult
    package func demand(_ method: String, _ path: String, _ body: String = "") throws -> JSONValue {
        let (status, answer) = try ask(method, path, body)
        try check(
            (200..<300).contains(status),
            "\(method) \(path) to work: \(status) \(answer["message"]?.string ?? "")"
        )
        return answer
    }

    /// A token of the administrator in a file, for settings with a token file.
    package func administratorToken() throws -> String {
        let path = folder.path + "/administrator"
        try Files.replace(path, with: Array(token.utf8))
        return path
    }
}
