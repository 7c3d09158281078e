import POSIX

/// One daemon of a supervisor: its process, and the connection to it.
///
/// One thread uses it.
final class DaemonChild {
    /// How far it has come.
    enum Stage: Int, Comparable {
        case begun, standby, serving, ready

        static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    let process: ChildProcess
    let started = MonotonicTime.now
    var stage = Stage.begun
    /// When it began to serve requests.
    var served: MonotonicTime?
    /// Why it did not start: the step and the reason.
    var failure: StartError?
    /// Whether it said that its mount is about to go.
    var hasReleased = false
    private let socket: MessageSocket

    /// Starts a daemon.
    ///
    /// - Parameters:
    ///   - program: where the program is.
    ///   - arguments: its name and its arguments.
    ///   - isFirst: whether the environment's faults are meant for it.
    /// - Throws: when it cannot be started.
    init(_ program: String, _ arguments: [String], isFirst: Bool) throws(Errno) {
        let (own, its) = try MessageSocket.pair()
        socket = MessageSocket(owning: own)
        let end = FileDescriptor(owning: its)
        var environment = [LinkMessage.variable: String(LinkMessage.version)]
        if !isFirst { environment["LITEFS_FAULTS"] = "" }
        process = try ChildProcess(
            arguments,
            environment: environment,
            program: program,
            descriptor: end.rawValue
        )
        _ = consume end
    }

    /// Readable when it says something, or is gone.
    var descriptor: Int32 { socket.rawValue }

    /// Tells it something; a daemon that is gone is no error.
    func send(_ kind: LinkMessage.Kind, _ descriptors: [Int32] = []) {
        try? socket.send(LinkMessage(kind).bytes, descriptors: descriptors)
    }

    /// What it says next; nil when it is gone.
    func receive() -> (message: LinkMessage?, descriptors: [Int32])? {
        guard let (bytes, descriptors) = try? socket.receive() else { return nil }
        return (LinkMessage(bytes), descriptors)
    }
}
