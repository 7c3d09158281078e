// Fields of LTX are big-endian and read one by one, at any alignment.

extension UnsafeRawBufferPointer {
    /// The big-endian integer at `offset`; the caller has checked the length.
    func bigEndian<Value: FixedWidthInteger & BitwiseCopyable>(
        _ type: Value.Type,
        at offset: Int
    ) -> Value {
        Value(bigEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }

    /// Cuts `count` bytes off the front, as many as there are at most.
    mutating func removePrefix(_ count: Int) -> UnsafeRawBufferPointer {
        let taken = UnsafeRawBufferPointer(rebasing: prefix(count))
        self = UnsafeRawBufferPointer(rebasing: dropFirst(count))
        return taken
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Writes `value` at `offset`, big-endian.
    func setBigEndian(_ value: some FixedWidthInteger & BitwiseCopyable, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: type(of: value))
    }
}
