import LTX
import Store

// Body of POST /stream; integers are big-endian.
//
//     size  field
//        4  number of databases
//     for each, in the order of their names:
//        4  length of the name
//        n  name
//        8  TXID
//        8  checksum of the database after that transaction

/// Where a replica stands: the positions of its databases, as it sends them when it asks for a stream.
public struct PositionMap: Sendable, Equatable {
    /// The most databases that a map may have.
    public static let maximumCount = 65_536
    /// The longest encoded map, in bytes.
    public static let maximumByteCount = 16 << 20
    /// The longest name on the wire, in bytes.
    public static let maximumNameByteCount = 255

    /// The positions by name.
    ///
    /// A database that is not here, or at `Position.zero`, needs a snapshot.
    public var positions: [DatabaseName: Position]

    /// A map with these positions.
    public init(_ positions: [DatabaseName: Position] = [:]) {
        self.positions = positions
    }

    /// Decodes a whole request body.
    ///
    /// Memory is reserved only for what was really sent.
    public init(decoding bytes: UnsafeRawBufferPointer) throws(PositionMapError) {
        guard bytes.count <= Self.maximumByteCount else { throw .tooLong(byteCount: bytes.count) }
        var reader = Reader(bytes)
        let count = try reader.integer(UInt32.self)
        guard count <= Self.maximumCount else { throw .tooManyDatabases(count) }
        positions = [:]
        for _ in 0..<count {
            let start = reader.offset
            let name = try reader.name()
            let txid = TXID(try reader.integer(UInt64.self))
            let checksum = Checksum(rawValue: try reader.integer(UInt64.self))
            guard positions.updateValue(Position(txid: txid, postApply: checksum), forKey: name) == nil else {
                throw .duplicateName(name, offset: start)
            }
        }
        guard reader.offset == bytes.count else { throw .bytesAfterEnd(offset: reader.offset) }
    }

    /// Decodes a whole request body.
    public init(decoding bytes: [UInt8]) throws(PositionMapError) {
        let result = bytes.withUnsafeBytes { buffer in
            Result { () throws(PositionMapError) in try PositionMap(decoding: buffer) }
        }
        self = try result.get()
    }

    /// The request body, sorted by name.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendBigEndian(UInt32(positions.count))
        for (name, position) in positions.sorted(by: { $0.key < $1.key }) {
            bytes.appendName(name)
            bytes.appendBigEndian(position.txid.rawValue)
            bytes.appendBigEndian(position.postApply.rawValue)
        }
        return bytes
    }

    /// The fields of a map.
    private struct Reader {
        private var wire: WireReader
        private let byteCount: Int
        var offset: Int { wire.offset }

        init(_ bytes: UnsafeRawBufferPointer) {
            wire = WireReader(bytes)
            byteCount = bytes.count
        }

        mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
            _ type: Value.Type
        ) throws(PositionMapError) -> Value {
            guard let value = wire.integer(type) else { throw .truncated(offset: byteCount) }
            return value
        }

        mutating func name() throws(PositionMapError) -> DatabaseName {
            let start = offset
            let length = try integer(UInt32.self)
            guard length <= PositionMap.maximumNameByteCount else {
                throw .nameTooLong(byteCount: length, offset: start)
            }
            guard let field = wire.take(Int(length)) else { throw .truncated(offset: byteCount) }
            do throws(DatabaseNameError) {
                return try DatabaseName(bytes: field)
            } catch {
                throw .invalidName(error, offset: start)
            }
        }
    }
}
