import Glibc
import LTX
import POSIX
import Store

/// What the mount must know about the node to make up its special files.
///
/// Called on FUSE threads; must not wait.
public protocol NodeStatus: AnyObject, Sendable {
    /// Whether this node is the primary.
    var isPrimary: Bool { get }
    /// Host name of the primary, on a replica that is connected to it; nil otherwise.
    var connectedPrimary: String? { get }
    /// Milliseconds that this node is behind: 0 on the primary, 2147483647 before the first synchronisation.
    var lagMilliseconds: Int64 { get }
    /// Milliseconds that a database is behind, nil while that is not known.
    func lagMilliseconds(of name: DatabaseName) -> Int64?
    /// Time of the last word from the primary, milliseconds since 1970.
    var lastPrimaryMilliseconds: Int64 { get }
}

/// A file whose content the daemon makes up.
enum SpecialFile: Equatable, Sendable {
    /// `.primary`: host name of the primary; exists on a connected replica only.
    case primary
    /// `.lag`: milliseconds behind.
    case lag
    /// `NAME-pos`: position of a database.
    case position(Database)
    /// `NAME-lock`: for the HALT lock.
    case lock(Database)
    /// `.litefs/NAME.json`: what a reader on this node has to know of a database.
    case status(Database)

    static func == (left: SpecialFile, right: SpecialFile) -> Bool {
        switch (left, right) {
        case (.primary, .primary), (.lag, .lag): true
        case (.position(let one), .position(let other)): one === other
        case (.lock(let one), .lock(let other)): one === other
        case (.status(let one), .status(let other)): one === other
        default: false
        }
    }

    /// Permission bits, as LiteFS shows them.
    var mode: UInt32 {
        switch self {
        case .primary, .lag, .lock: 0o444
        case .position: 0o666
        // The daemon writes to it, so that the kernel tells who watches it.
        case .status: 0o644
        }
    }

    /// Content and time of the last change in milliseconds since 1970.
    func content(_ node: any NodeStatus) -> (bytes: [UInt8], modified: Int64) {
        switch self {
        case .primary:
            return (Array((node.connectedPrimary.map { $0 + "\n" } ?? "").utf8), node.lastPrimaryMilliseconds)
        case .lag:
            return (Array(Self.lagText(node.lagMilliseconds).utf8), node.lastPrimaryMilliseconds)
        case .position(let database):
            let summary = database.summary
            return (Array("\(summary.position)\n".utf8), summary.timestamp)
        case .lock:
            return ([], 0)
        case .status(let database):
            return (StatusDocument.bytes(of: database, node), database.currentSummary.timestamp)
        }
    }

    /// Bytes of the content and time of the last change, without making the content where that is not needed.
    func size(_ node: any NodeStatus) -> (bytes: Int, modified: Int64) {
        if case .status(let database) = self {
            return (StatusDocument.byteCount(of: database.name), database.currentSummary.timestamp)
        }
        let content = content(node)
        return (content.bytes.count, content.modified)
    }

    /// `%+010d\n`.
    static func lagText(_ milliseconds: Int64) -> String {
        let bounded = min(max(milliseconds, -999_999_999), 2_147_483_647)
        let digits = String(bounded.magnitude)
        return (bounded < 0 ? "-" : "+") + String(repeating: "0", count: max(0, 9 - digits.count)) + digits
            + "\n"
    }
}
