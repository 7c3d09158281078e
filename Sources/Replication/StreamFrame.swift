import LTX
import Store

// Frames of a stream, as LiteFS 0.5 writes them; integers are big-endian. A stream has no header: the first frame follows
// the HTTP header at once.
//
//     type  frame       after the 4 bytes of the type
//        1  LTX         size 8 (always 0) │ name length 4 │ name │ chunks
//        2  Ready
//        3  End
//        4  DropDB      name length 4 │ name                       (deprecated: receivers ignore it)
//        5  Handoff     length 4 │ lease ID
//        6  HWM         TXID 8 │ name length 4 │ name
//        7  Heartbeat   time 8, milliseconds since 1970
//        8  Compare     name length 4 │ name                       (only to receivers that say `difference`)
//
// Chunks carry an LTX file, whose length nobody announces: length 2, and as many bytes, again and again; length 0 is the
// end. Where one chunk ends and the next begins means nothing.

/// The frames of a stream: their types, and those that are written whole.
///
/// An LTX file goes as `ltxBegin`, chunks made with `ChunkFraming`, and `ltxEnd`.
public enum StreamFrame: Sendable, Equatable {
    /// The chunks of an LTX file for this database follow.
    case ltxBegin(DatabaseName)
    /// The chunks of an LTX file end.
    case ltxEnd
    /// Everything that the sender had when the stream began was sent.
    case ready
    /// The sender ends the stream in order.
    case end
    /// The sender does not know this database.
    case dropDatabase(DatabaseName)
    /// The receiver shall take over the lease of the primary.
    case handoff(leaseID: String)
    /// Transactions up to this one are in a backup.
    case highWaterMark(TXID, DatabaseName)
    /// The sender has nothing else to say. Its clock, in milliseconds since 1970.
    case heartbeat(milliseconds: Int64)
    /// The receiver's state of this database cannot be continued from: it shall ask for what differs (`PageComparison`).
    case compare(DatabaseName)

    /// The longest lease ID that a receiver accepts, in bytes.
    public static let maximumLeaseIDByteCount = 1024

    /// The number of a frame on the wire.
    enum Code: UInt32 {
        case ltx = 1
        case ready = 2
        case end = 3
        case dropDatabase = 4
        case handoff = 5
        case highWaterMark = 6
        case heartbeat = 7
        case compare = 8
    }

    /// Appends the frame, or this part of an LTX frame.
    public func encode(into bytes: inout [UInt8]) {
        switch self {
        case .ltxBegin(let name):
            bytes.appendBigEndian(Code.ltx.rawValue)
            bytes.appendBigEndian(UInt64(0))
            bytes.appendName(name)
        case .ltxEnd:
            bytes.appendBigEndian(ChunkFraming.endMark)
        case .ready:
            bytes.appendBigEndian(Code.ready.rawValue)
        case .end:
            bytes.appendBigEndian(Code.end.rawValue)
        case .dropDatabase(let name):
            bytes.appendBigEndian(Code.dropDatabase.rawValue)
            bytes.appendName(name)
        case .handoff(let leaseID):
            bytes.appendBigEndian(Code.handoff.rawValue)
            bytes.appendText(leaseID)
        case .highWaterMark(let txid, let name):
            bytes.appendBigEndian(Code.highWaterMark.rawValue)
            bytes.appendBigEndian(txid.rawValue)
            bytes.appendName(name)
        case .heartbeat(let milliseconds):
            bytes.appendBigEndian(Code.heartbeat.rawValue)
            bytes.appendBigEndian(milliseconds)
        case .compare(let name):
            bytes.appendBigEndian(Code.compare.rawValue)
            bytes.appendName(name)
        }
    }
}
