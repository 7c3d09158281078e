import POSIX

/// What supervisor and daemon tell each other: a kind, a text, and descriptors that go with some of them.
///
///     supervisor                                     daemon
///     begin                                  ──►     makes its own session
///       or continue (3 descriptors)          ──►     looks whether it understands the session of the one before
///                                            ◄──     standby
///     kept (descriptor) …, go                ──►     takes over
///                                            ◄──     session (3 descriptors), keep (descriptor), drop: from now on at any time
///                                            ◄──     attached, serving, ready; or failed
///                                            ◄──     replace (a reason): another daemon of the same program is to take its place
///     handOver                               ──►     ends, and leaves the session
///                                            ◄──     release: the mount is about to go
///     released                               ──►
///                                            ◄──     trouble: what went wrong while it stopped
///
/// The three descriptors are the connection, the mount's root folder, and the session's memory. A SIGTERM asks the daemon to stop.
struct LinkMessage: Equatable {
    enum Kind: UInt8 {
        case begin = 1
        case `continue`
        case kept
        case go
        case handOver
        case released
        case standby = 32
        case session
        case attached
        case serving
        case ready
        case failed
        case keep
        case drop
        case release
        case trouble
        case replace
    }

    /// The version of this protocol: supervisor and daemon may be of different builds after an upgrade.
    static let version = 1
    /// The environment variable by which a daemon knows its supervisor's version; its socket is `ChildProcess.descriptorNumber`.
    static let variable = "LITEFS_DAEMON_OF_SUPERVISOR"

    var kind: Kind
    var text = ""

    /// The bytes of the message.
    var bytes: [UInt8] { [kind.rawValue] + text.utf8.prefix(MessageSocket.longestMessage - 1) }

    init(_ kind: Kind, _ text: String = "") {
        self.kind = kind
        self.text = text
    }

    /// Reads a message; nil for one of a later version.
    init?(_ bytes: [UInt8]) {
        guard let first = bytes.first, let kind = Kind(rawValue: first) else { return nil }
        self.init(kind, String(decoding: bytes.dropFirst(), as: UTF8.self))
    }
}
