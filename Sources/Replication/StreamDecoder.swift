import LTX
import Store

/// What a stream contains, in its order.
public enum StreamEvent {
    /// A frame, or the beginning or end of an LTX frame.
    case frame(StreamFrame)
    /// The next bytes of the LTX file that began last, cut anywhere. Valid only during the call.
    case ltxBytes(UnsafeRawBufferPointer)
}

/// Reads a stream from bytes that come cut anywhere.
///
/// Keeps at most one name or lease ID; the bytes of LTX files pass through uncopied. A value belongs to one stream and one
/// thread at a time.
public struct StreamDecoder {
    private enum Field {
        case type
        case ltxHead
        case ltxName
        case chunkLength
        case chunk
        case dropLength
        case dropName
        case compareLength
        case compareName
        case handoffLength
        case leaseID
        case markHead
        case markName(TXID)
        case time
        case ended
        case failed
    }

    private var field = Field.type
    /// Bytes that the field still needs before it is complete.
    private var missing = 4
    private var partial: [UInt8] = []
    /// Bytes of the stream before the next one.
    private var offset: UInt64 = 0

    /// A decoder at the beginning of a stream.
    public init() {
        partial.reserveCapacity(StreamFrame.maximumLeaseIDByteCount)
    }

    /// Whether the End frame came.
    public var isEnded: Bool {
        if case .ended = field { true } else { false }
    }

    /// Reads the next bytes of the stream.
    ///
    /// - Throws: `StreamError`, or what the handler throws; after either, the stream is given up and every call throws.
    public mutating func feed(_ bytes: UnsafeRawBufferPointer, _ handler: (StreamEvent) throws -> Void) throws
    {
        var input = bytes
        let next = field
        field = .failed
        var current = next
        while !input.isEmpty {
            switch current {
            case .failed: throw StreamError.givenUp
            case .ended: throw StreamError.bytesAfterEnd(offset: offset)
            case .chunk:
                let part = input.takePrefix(missing)
                offset += UInt64(part.count)
                missing -= part.count
                try handler(.ltxBytes(part))
                if missing == 0 { expect(.chunkLength, 2, &current) }
            default:
                let part = input.takePrefix(missing)
                offset += UInt64(part.count)
                missing -= part.count
                partial.append(contentsOf: part)
                if missing == 0 { try complete(&current, handler) }
            }
        }
        field = current
    }

    /// Ends the stream.
    ///
    /// - Throws: `truncated` when it ends inside a frame. A stream may end between two frames without an End frame, when
    ///   the sender was stopped hard.
    public mutating func finish() throws(StreamError) {
        switch field {
        case .ended: return
        case .failed: throw .givenUp
        case .type where partial.isEmpty: return
        default:
            field = .failed
            throw .truncated(offset: offset)
        }
    }

    private mutating func expect(_ next: Field, _ count: Int, _ current: inout Field) {
        current = next
        missing = count
        partial.removeAll(keepingCapacity: true)
    }

    /// Takes a field whose bytes are all in `partial`.
    private mutating func complete(_ current: inout Field, _ handler: (StreamEvent) throws -> Void) throws {
        switch current {
        case .type:
            try takeType(&current, handler)
        case .ltxHead:
            expect(.ltxName, try nameLength(at: 8), &current)
        case .ltxName:
            try handler(.frame(.ltxBegin(try name())))
            expect(.chunkLength, 2, &current)
        case .chunkLength:
            let count = Int(integer(UInt16.self, at: 0))
            if count > 0 {
                expect(.chunk, count, &current)
            } else {
                try handler(.frame(.ltxEnd))
                expect(.type, 4, &current)
            }
        case .dropLength:
            expect(.dropName, try nameLength(at: 0), &current)
        case .dropName:
            try emit(.dropDatabase(try name()), &current, handler)
        case .compareLength:
            expect(.compareName, try nameLength(at: 0), &current)
        case .compareName:
            try emit(.compare(try name()), &current, handler)
        case .handoffLength:
            let count = integer(UInt32.self, at: 0)
            guard (1...UInt32(StreamFrame.maximumLeaseIDByteCount)).contains(count) else {
                throw StreamError.badLeaseIDLength(count, offset: offset - 4)
            }
            expect(.leaseID, Int(count), &current)
        case .leaseID:
            guard let leaseID = String(validating: partial, as: UTF8.self) else {
                throw StreamError.invalidLeaseID(offset: offset - UInt64(partial.count))
            }
            try emit(.handoff(leaseID: leaseID), &current, handler)
        case .markHead:
            let txid = TXID(integer(UInt64.self, at: 0))
            expect(.markName(txid), try nameLength(at: 8), &current)
        case .markName(let txid):
            try emit(.highWaterMark(txid, try name()), &current, handler)
        case .time:
            try emit(.heartbeat(milliseconds: integer(Int64.self, at: 0)), &current, handler)
        case .chunk, .ended, .failed:
            throw StreamError.givenUp
        }
    }

    private mutating func takeType(_ current: inout Field, _ handler: (StreamEvent) throws -> Void) throws {
        let code = integer(UInt32.self, at: 0)
        switch StreamFrame.Code(rawValue: code) {
        case .ltx: expect(.ltxHead, 12, &current)
        case .ready: try emit(.ready, &current, handler)
        case .end:
            try handler(.frame(.end))
            expect(.ended, 0, &current)
        case .dropDatabase: expect(.dropLength, 4, &current)
        case .handoff: expect(.handoffLength, 4, &current)
        case .highWaterMark: expect(.markHead, 12, &current)
        case .heartbeat: expect(.time, 8, &current)
        case .compare: expect(.compareLength, 4, &current)
        case nil: throw StreamError.unknownFrameType(code, offset: offset - 4)
        }
    }

    private mutating func emit(
        _ frame: StreamFrame,
        _ current: inout Field,
        _ handler: (StreamEvent) throws -> Void
    ) throws {
        try handler(.frame(frame))
        expect(.type, 4, &current)
    }

    private func integer<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type,
        at start: Int
    ) -> Value {
        partial.withUnsafeBytes { Value(bigEndian: $0.loadUnaligned(fromByteOffset: start, as: type)) }
    }

    private func nameLength(at start: Int) throws(StreamError) -> Int {
        let count = integer(UInt32.self, at: start)
        guard (1...UInt32(PositionMap.maximumNameByteCount)).contains(count) else {
            throw .badNameLength(count, offset: offset - 4)
        }
        return Int(count)
    }

    private func name() throws(StreamError) -> DatabaseName {
        do throws(DatabaseNameError) {
            return try DatabaseName(bytes: partial)
        } catch {
            throw .invalidName(error, offset: offset - UInt64(partial.count))
        }
    }
}
