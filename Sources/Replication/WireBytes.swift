import Store

// Integers on the wire are big-endian; names and other texts follow their length in 32 bits.

extension [UInt8] {
    /// Appends an integer.
    mutating func appendBigEndian(_ value: some FixedWidthInteger & BitwiseCopyable) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    /// Appends a name after its length.
    mutating func appendName(_ name: DatabaseName) {
        appendText(name.text)
    }

    /// Appends a text after its length.
    mutating func appendText(_ text: String) {
        appendBigEndian(UInt32(text.utf8.count))
        append(contentsOf: text.utf8)
    }
}

extension UnsafeRawBufferPointer {
    /// Cuts `count` bytes off the front, or all if there are fewer.
    mutating func takePrefix(_ count: Int) -> UnsafeRawBufferPointer {
        let taken = UnsafeRawBufferPointer(rebasing: prefix(count))
        self = UnsafeRawBufferPointer(rebasing: dropFirst(count))
        return taken
    }
}

/// Takes fields off the front of bytes that are all there, and knows where it stands.
struct WireReader {
    private let bytes: UnsafeRawBufferPointer
    /// Bytes before the next field.
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Whether nothing follows.
    var isAtEnd: Bool { offset == bytes.count }

    /// The next bytes; nil when there are fewer.
    mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
        guard bytes.count - offset >= count else { return nil }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    /// The next integer; nil when it is not all there.
    mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type) -> Value? {
        take(MemoryLayout<Value>.size).map { Value(bigEndian: $0.loadUnaligned(as: type)) }
    }

    /// The next integers; nil when they are not all there.
    ///
    /// Memory is reserved only for what is.
    mutating func integers<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type,
        count: Int
    ) -> [Value]? {
        let size = MemoryLayout<Value>.size
        guard count <= (bytes.count - offset) / size, let field = take(count * size) else { return nil }
        return (0..<count)
            .map { Value(bigEndian: field.loadUnaligned(fromByteOffset: $0 * size, as: type)) }
    }
}
