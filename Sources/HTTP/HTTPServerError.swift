import POSIX

/// Why a server cannot listen or serve.
public enum HTTPServerError: Error, Sendable, CustomStringConvertible {
    /// The text is no `HOST:PORT` or the host is unknown.
    case invalidAddress(String, reason: String)
    /// Another socket listens there.
    case addressInUse(String)
    /// The port needs a privilege that the process lacks.
    case notPermitted(String)
    /// The operating system refused for another reason.
    case cannotListen(String, Errno)
    /// The server's threads could not be started.
    case cannotServe(String)
    /// `serve` was called twice or after `stop`.
    case notListening(String)

    /// What cannot be done, on which address, and what helps.
    public var description: String {
        switch self {
        case .invalidAddress(let address, let reason):
            "cannot listen on \"\(address)\": \(reason); expected HOST:PORT, for example \":20202\""
        case .addressInUse(let address):
            "cannot listen on \(address): another process uses this port; stop it or configure another address"
        case .notPermitted(let address):
            "cannot listen on \(address): ports below 1024 need a privilege; configure a port above"
        case .cannotListen(let address, let errno):
            "cannot listen on \(address): \(errno)"
        case .cannotServe(let address):
            "cannot start threads that serve \(address): out of memory or threads"
        case .notListening(let address):
            "cannot serve \(address): the server already serves or was stopped"
        }
    }
}
