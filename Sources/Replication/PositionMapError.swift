import Store

/// Why the body of POST /stream is no position map.
///
/// Offsets are in bytes from the start of the body.
public enum PositionMapError: Error, Equatable, CustomStringConvertible {
    /// The body ends inside a field.
    case truncated(offset: Int)
    /// The body is longer than `PositionMap.maximumByteCount`.
    case tooLong(byteCount: Int)
    /// The announced number of databases is above `PositionMap.maximumCount`.
    case tooManyDatabases(UInt32)
    /// A name is announced as longer than `PositionMap.maximumNameByteCount`.
    case nameTooLong(byteCount: UInt32, offset: Int)
    /// A name cannot be a database's.
    case invalidName(DatabaseNameError, offset: Int)
    /// A name came twice.
    case duplicateName(DatabaseName, offset: Int)
    /// There is more than the announced number of databases.
    case bytesAfterEnd(offset: Int)

    /// What is wrong, and where.
    public var description: String {
        switch self {
        case .truncated(let offset): "position map ends early, at byte \(offset)"
        case .tooLong(let count):
            "position map has \(count) bytes; at most \(PositionMap.maximumByteCount) are accepted"
        case .tooManyDatabases(let count):
            "position map announces \(count) databases; at most \(PositionMap.maximumCount) are accepted"
        case .nameTooLong(let count, let offset):
            "position map announces a name of \(count) bytes at byte \(offset); "
                + "at most \(PositionMap.maximumNameByteCount) are accepted"
        case .invalidName(let error, let offset): "position map, byte \(offset): \(error)"
        case .duplicateName(let name, let offset):
            "position map has \"\(name)\" twice, again at byte \(offset)"
        case .bytesAfterEnd(let offset): "position map has bytes after its end, from byte \(offset)"
        }
    }
}
