import POSIX

/// Where a supervisor is asked to replace its daemon: a socket in the data directory.
///
///     litefs upgrade:  PATH of the binary, or nothing for the one it has; a line
///     supervisor:      "ok MILLISECONDS", or "error REASON"; a line
public final class UpgradeSocket: Sendable {
    /// Its name in the data directory.
    public static let name = "supervisor.sock"
    private static let longestLine = 4096

    private let socket: Socket

    /// Listens; an earlier supervisor's socket is replaced.
    ///
    /// Call when the data directory is known to be ours.
    init(dataDirectory: String) throws(Errno) {
        let directory = try FileDescriptor.open(dataDirectory, [.directory])
        try Files.unlink(dataDirectory + "/" + Self.name, ifExists: true)
        socket = try Socket.listen(at: Self.name, in: directory.rawValue)
    }

    /// Whether there is a socket on which nobody listens: its supervisor was killed, and its daemon is about to end.
    static func isAbandoned(in dataDirectory: String) -> Bool {
        guard Files.exists(dataDirectory + "/" + name),
            let directory = try? FileDescriptor.open(dataDirectory, [.directory])
        else { return false }
        do throws(Errno) {
            _ = try Socket.connect(to: name, in: directory.rawValue)
            return false
        } catch {
            return true
        }
    }

    /// Readable when somebody asks.
    var descriptor: Int32 { socket.rawValue }

    /// Takes a request: the connection to answer on, and the binary; nil when nothing came.
    func accept() -> UpgradeRequest? {
        guard let connection = try? Socket.accept(from: socket.rawValue),
            let line = Self.line(from: connection.rawValue, within: .seconds(1))
        else { return nil }
        return UpgradeRequest(binary: line, connection: connection)
    }

    fileprivate static func line(from socket: Int32, within patience: Duration) -> String? {
        var bytes: [UInt8] = []
        let buffer = Buffer(count: longestLine)
        while bytes.count < longestLine {
            // A line comes at once; whoever stops in its middle is not waited for.
            guard poll(readable: [socket], timeout: patience)[0],
                let count = try? Socket.receive(from: socket, into: buffer.bytes), count > 0
            else { return nil }
            bytes += buffer.bytes[..<count]
            if let end = bytes.firstIndex(of: 10) { return String(decoding: bytes[..<end], as: UTF8.self) }
        }
        return nil
    }

    private static func ask(_ dataDirectory: String, _ binary: String) throws(UpgradeError) -> Socket {
        do throws(Errno) {
            let directory = try FileDescriptor.open(dataDirectory, [.directory])
            let connection = try Socket.connect(to: name, in: directory.rawValue)
            let line = Array((binary + "\n").utf8)
            let sent = line.withUnsafeBytes { bytes in
                Result { () throws(Errno) in try connection.send(bytes) }
            }
            try sent.get()
            return connection
        } catch {
            throw .noSupervisor(dataDirectory, error)
        }
    }

    /// Asks the supervisor of a data directory to replace its daemon, and waits until the new one serves.
    ///
    /// - Parameters:
    ///   - dataDirectory: `data.dir`.
    ///   - binary: the program; empty for the one that runs.
    /// - Returns: for how many milliseconds no request was answered.
    /// - Throws: `UpgradeError`.
    public static func upgrade(dataDirectory: String, binary: String) throws(UpgradeError) -> Int {
        let connection = try ask(dataDirectory, binary)
        guard let answer = line(from: connection.rawValue, within: .seconds(180)) else { throw .noAnswer }
        let words = answer.split(separator: " ", maxSplits: 1).map(String.init)
        guard words.count == 2, words[0] == "ok", let milliseconds = Int(words[1]) else {
            throw .refused(words.last ?? answer)
        }
        return milliseconds
    }
}

/// Somebody who waits for a daemon to be replaced.
struct UpgradeRequest: ~Copyable {
    /// The program; empty for the one that runs.
    let binary: String
    fileprivate let connection: Socket

    /// Tells what came of it.
    consuming func answer(_ text: String) {
        let line = Array((text.split(separator: "\n").joined(separator: "; ") + "\n").utf8)
        line.withUnsafeBytes { bytes in _ = try? connection.send(bytes) }
    }
}

/// Why a daemon was not replaced.
public enum UpgradeError: Error, CustomStringConvertible {
    /// Nobody listens in the data directory.
    case noSupervisor(String, Errno)
    /// The supervisor ended.
    case noAnswer
    /// The new daemon could not take over; the old one, or another of its binary, goes on.
    case refused(String)

    /// What happened, and what to do.
    public var description: String {
        switch self {
        case .noSupervisor(let directory, let errno):
            "no supervisor answers in \(directory): \(errno): is litefs running there, and not with LITEFS_SUPERVISOR=off?"
        case .noAnswer:
            "the supervisor ended before it answered; see its log"
        case .refused(let reason):
            "the daemon was not replaced: \(reason)"
        }
    }
}
