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
