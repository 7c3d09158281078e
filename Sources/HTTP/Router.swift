/// Finds the handler for a request by its exact path and method.
public struct Router: Sendable {
    private var routes: [String: [String: HTTPHandler]] = [:]

    /// No routes.
    public init() {}

    /// Adds a handler for a method and a path, replacing the one before.
    public mutating func add(_ method: String, _ path: String, _ handler: @escaping HTTPHandler) {
        routes[path, default: [:]][method] = handler
    }

    /// Answers a request: 404 for an unknown path, 405 for a method that the path does not know.
    ///
    /// HEAD is answered by the handler for GET when it has none; the server leaves the body out.
    @Sendable public func handle(_ request: HTTPRequest) -> HTTPResponse {
        guard let methods = routes[request.path] else { return .error(404, "404 page not found") }
        if let handler = methods[request.method] { return handler(request) }
        if request.method == "HEAD", let handler = methods["GET"] { return handler(request) }
        var response = HTTPResponse.error(405, "method not allowed")
        response.headers["Allow"] = methods.keys.sorted().joined(separator: ", ")
        return response
    }
}
