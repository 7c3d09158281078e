import HTTP
import JSON

/// Asks a node over HTTP.
struct NodeClient {
    /// Where a node listens unless `http.addr` says otherwise.
    static let defaultURL = "http://localhost:20202"

    /// Scheme, host and port, without a slash at the end.
    let url: String
    private let http = HTTPClient()

    /// A client of the node at an address; a scheme may be left out, and a path does not count.
    init(_ text: String) {
        var url = text.contains("://") ? text : "http://" + text
        while url.hasSuffix("/") { url.removeLast() }
        self.url = url
    }

    /// What GET /info answers.
    func info() throws(NodeClientError) -> (document: JSONValue, text: String) {
        let response: HTTPClient.Response
        do throws(HTTPClientError) {
            response = try http.request("GET", url + "/info")
        } catch {
            throw .unreachable(url: url, reason: error.reason)
        }
        guard response.status == 200, let document = try? JSONValue.parse(response.body) else {
            throw .unexpected(url: url, status: response.status, text: Self.firstLine(response.body))
        }
        return (document, String(decoding: response.body, as: UTF8.self))
    }

    /// Receives a database.
    ///
    /// - Parameters:
    ///   - name: the database.
    ///   - write: takes each piece; the memory is only lent.
    /// - Throws: `NodeClientError`, or what `write` throws.
    func export(_ name: String, write: (UnsafeRawBufferPointer) throws -> Void) throws {
        var status = 0
        var refusal: [UInt8] = []
        do {
            try http.stream(
                "GET",
                url + "/export?name=" + PercentEncoding.encoded(name),
                onResponse: { received, _ in status = received },
                onBytes: { bytes in
                    if status == 200 {
                        try write(bytes)
                    } else {
                        refusal.append(contentsOf: bytes.prefix(4096 - refusal.count))
                    }
                }
            )
        } catch let error as HTTPClientError {
            throw NodeClientError.unreachable(url: url, reason: error.reason)
        }
        guard status == 200 else {
            throw NodeClientError.unexpected(url: url, status: status, text: Self.firstLine(refusal))
        }
    }

    private static func firstLine(_ bytes: [UInt8]) -> String {
        String(String(decoding: bytes, as: UTF8.self).prefix { $0 != "\n" }.prefix(200))
    }
}

/// Why a node did not answer as it should.
enum NodeClientError: Error, CustomStringConvertible {
    /// There was no answer.
    case unreachable(url: String, reason: String)
    /// There was another one.
    case unexpected(url: String, status: Int, text: String)

    var description: String {
        switch self {
        case .unreachable(let url, let reason):
            "\(url) does not answer (\(reason)); is litefs running there? -url names another address"
        case .unexpected(let url, let status, let text):
            "\(url) answered \(status)\(text.isEmpty ? "" : ": " + text)"
        }
    }
}
