import FUSE
import Logging
import POSIX
import Store
import Synchronization

/// A daemon's side of the connection to its supervisor.
///
/// Thread-safe.
public final class SupervisorLink: FileKeeper {
    private struct State {
        var isHandingOver = false
        var isReleased = false
        var isContinuing = false
    }

    private let socket: MessageSocket
    private let state = Guarded(State())
    private let inherited: Mutex<InheritedSession?>

    /// Whether a supervisor started this process.
    public static var isDaemon: Bool {
        CurrentProcess.environment(LinkMessage.variable).map { !$0.isEmpty } ?? false
    }

    /// The connection of this process, if a supervisor started it.
    ///
    /// Call before any thread is started.
    ///
    /// - Throws: `SupervisorError` when the supervisor is of another version.
    public static func ofThisProcess() throws(SupervisorError) -> SupervisorLink? {
        guard let version = CurrentProcess.environment(LinkMessage.variable), !version.isEmpty else {
            return nil
        }
        guard version == String(LinkMessage.version) else { throw .otherVersion(version) }
        CurrentProcess.dieWithParent(CurrentProcess.parentID)
        return SupervisorLink(MessageSocket(owning: ChildProcess.descriptorNumber))
    }

    private init(_ socket: consuming MessageSocket) {
        self.socket = socket
        inherited = Mutex(nil)
    }

    // MARK: - Beginning

    /// Waits for the supervisor to say how this daemon begins, and begins to listen to it.
    ///
    /// - Parameter description: what this daemon's session would be for; it goes on with no other one.
    /// - Returns: whether it goes on with a session.
    /// - Throws: when the session is none that this daemon can go on with.
    func begin(_ description: String) throws(SupervisorError) -> Bool {
        var session: [Int32] = []
        var kept: [BackingFile] = []
        while true {
            let (message, descriptors) = try receive()
            switch message?.kind {
            case .begin:
                listen()
                return false
            case .continue:
                session = descriptors
                try check(session, description)
                send(LinkMessage(.standby))
            case .kept:
                kept += descriptors.map { BackingFile(FileDescriptor(owning: $0)) }
            case .go:
                try take(session, kept)
                state.withLock { $0.pointee.isContinuing = true }
                listen()
                return true
            default:
                for descriptor in descriptors { _ = FileDescriptor(owning: descriptor) }
            }
        }
    }

    private func receive() throws(SupervisorError) -> (LinkMessage?, [Int32]) {
        do throws(Errno) {
            guard let (bytes, descriptors) = try socket.receive() else { CurrentProcess.exitAtOnce(1) }
            return (LinkMessage(bytes), descriptors)
        } catch {
            throw .lost(error)
        }
    }

    private func check(_ session: [Int32], _ description: String) throws(SupervisorError) {
        guard session.count == 3 else { throw .badSession("\(session.count) descriptors came instead of 3") }
        let present: String
        do throws(Errno) {
            present = try SessionMemory(continuing: try FileDescriptor.duplicate(session[2])).description
        } catch {
            throw .badSession("\(error)")
        }
        if present != description { throw .changedSettings(present: present, wanted: description) }
    }

    private func take(_ session: [Int32], _ kept: [BackingFile]) throws(SupervisorError) {
        let memory: SessionMemory
        do throws(Errno) {
            memory = try SessionMemory(continuing: FileDescriptor(owning: session[2]))
        } catch {
            throw .badSession("\(error)")
        }
        let inheritance = FUSESession.Inheritance(
            device: FileDescriptor(owning: session[0]),
            root: FileDescriptor(owning: session[1]),
            memory: memory
        )
        let all = InheritedSession(inheritance, kept: kept)
        inherited.withLock { $0 = all }
    }

    /// Takes what the supervisor kept; once.
    func takeInherited() -> InheritedSession? {
        inherited.withLock { inherited in
            defer { inherited = nil }
            return inherited
        }
    }

    /// Listens until the process ends: it does not outlive its supervisor.
    private func listen() {
        _ = Thread("supervisor") { [self] in
            while let (message, descriptors) = try? receive() {
                for descriptor in descriptors { _ = FileDescriptor(owning: descriptor) }
                switch message?.kind {
                case .handOver:
                    state.withLock { $0.pointee.isHandingOver = true }
                    CurrentProcess.raise(.terminate)
                case .released:
                    state.withLock { $0.pointee.isReleased = true }
                    state.wakeAll()
                default: break
                }
            }
        }
    }

    // MARK: - Telling

    /// Whether this daemon goes on with the session of another one.
    var isContinuing: Bool { state.withLock { $0.pointee.isContinuing } }

    /// Whether this daemon ends because another one goes on with its session.
    var isHandingOver: Bool { state.withLock { $0.pointee.isHandingOver } }

    /// Tells the supervisor something.
    ///
    /// One that is gone takes this process with it, so nobody has to know.
    func send(_ message: LinkMessage, _ descriptors: [Int32] = []) {
        try? socket.send(message.bytes, descriptors: descriptors)
    }

    /// Has the supervisor let go of the session, which ends; returns when it has.
    func release() {
        send(LinkMessage(.release))
        let deadline = MonotonicTime.now + .seconds(5)
        state.withLock { state in
            while !state.pointee.isReleased, self.state.wait(until: deadline) {}
        }
    }

    /// Keeps a file for the next daemon.
    public func keep(_ file: BackingFile) {
        if file.setKept(true) { return }
        send(LinkMessage(.keep), [file.descriptor.rawValue])
    }

    /// Nobody uses the file any more.
    public func drop(_ file: BackingFile) {
        guard file.setKept(false), let status = try? file.descriptor.status() else { return }
        send(LinkMessage(.drop, "\(status.device):\(status.inode)"))
    }
}

/// Why a daemon cannot work with its supervisor.
public enum SupervisorError: Error, CustomStringConvertible {
    /// They are of builds that do not understand each other.
    case otherVersion(String)
    /// The connection failed.
    case lost(Errno)
    /// What the supervisor kept is no session.
    case badSession(String)
    /// The configuration says another thing than when the session began.
    case changedSettings(present: String, wanted: String)

    /// What is wrong and what helps.
    public var description: String {
        switch self {
        case .otherVersion(let version):
            "the supervisor speaks version \(version), this daemon \(LinkMessage.version): stop litefs and start it again"
        case .lost(let errno):
            "cannot hear the supervisor: \(errno)"
        case .badSession(let reason):
            "the session that the supervisor kept cannot be read: \(reason): stop litefs and start it again"
        case .changedSettings(let present, let wanted):
            "the mount is for \(present.oneLine), the configuration now says \(wanted.oneLine): undo that, or stop litefs and "
                + "start it again"
        }
    }
}

extension String {
    fileprivate var oneLine: String { split(separator: "\n").joined(separator: ", ") }
}

/// What the supervisor kept of the daemon before.
final class InheritedSession: Sendable {
    /// The session's memory.
    let memory: SessionMemory
    /// Files without a name that programs have open.
    let kept: [BackingFile]
    private let session: FUSESession.Inheritance

    init(_ session: consuming FUSESession.Inheritance, kept: [BackingFile]) {
        memory = session.memory
        self.kept = kept
        self.session = session
    }

    /// Whether programs write to logs past the daemon.
    var logsPass: Bool { memory.openFiles.contains { $0.passesThrough } }

    /// The descriptors for the session that goes on.
    func descriptors() throws(Errno) -> FUSESession.Inheritance {
        FUSESession.Inheritance(
            device: try session.device.duplicate(),
            root: try session.root.duplicate(),
            memory: memory
        )
    }
}
