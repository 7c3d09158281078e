import Store

/// Why received bytes are no stream.
///
/// Offsets are in bytes from the start of the stream.
///
/// A sender of LiteFS 0.5 that fails writes the text of its error into the stream; here it shows as one of these.
public enum StreamError: Error, Equatable, CustomStringConvertible {
    /// There is no frame of this type.
    case unknownFrameType(UInt32, offset: UInt64)
    /// The announced length of a name is 0 or above `PositionMap.maximumNameByteCount`.
    case badNameLength(UInt32, offset: UInt64)
    /// A name cannot be a database's.
    case invalidName(DatabaseNameError, offset: UInt64)
    /// The announced length of a lease ID is 0 or above `StreamFrame.maximumLeaseIDByteCount`.
    case badLeaseIDLength(UInt32, offset: UInt64)
    /// A lease ID is not UTF-8.
    case invalidLeaseID(offset: UInt64)
    /// The stream ends inside a frame.
    case truncated(offset: UInt64)
    /// There are bytes after the End frame.
    case bytesAfterEnd(offset: UInt64)
    /// The stream had an error before.
    case givenUp

    /// What is wrong, and where.
    public var description: String {
        switch self {
        case .unknownFrameType(let code, let offset):
            "invalid stream frame type: 0x\(code < 16 ? "0" : "")\(String(code, radix: 16)) at byte \(offset)"
        case .badNameLength(let count, let offset):
            "stream frame has a name of \(count) bytes at byte \(offset); "
                + "1 to \(PositionMap.maximumNameByteCount) are accepted"
        case .invalidName(let error, let offset): "stream frame, byte \(offset): \(error)"
        case .badLeaseIDLength(let count, let offset):
            "handoff frame has a lease ID of \(count) bytes at byte \(offset); "
                + "1 to \(StreamFrame.maximumLeaseIDByteCount) are accepted"
        case .invalidLeaseID(let offset): "handoff frame has a lease ID that is not UTF-8 at byte \(offset)"
        case .truncated(let offset): "stream ends inside a frame, at byte \(offset)"
        case .bytesAfterEnd(let offset): "stream goes on after its end, from byte \(offset)"
        case .givenUp: "stream was given up after an earlier error"
        }
    }
}
