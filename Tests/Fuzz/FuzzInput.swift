/// Takes values off the front of an input; what is missing reads as zeros.
struct FuzzInput {
    private(set) var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    var isEmpty: Bool { rest.isEmpty }

    mutating func byte() -> UInt8 {
        guard let first = rest.first else { return 0 }
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst())
        return first
    }

    mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) -> Value {
        var value: Value = 0
        for _ in 0..<Value.bitWidth / 8 {
            value = Value(truncatingIfNeeded: UInt64(truncatingIfNeeded: value) << 8 | UInt64(byte()))
        }
        return value
    }

    /// An integer of 64 bits that is often near a power of two, where arithmetic goes wrong.
    mutating func extreme() -> Int64 {
        let kind = byte()
        if kind < 64 { return Int64(kind) }
        if kind < 128 { return Int64(integer(UInt16.self)) }
        if kind < 192 { return (Int64.max >> Int64(kind & 63)) &+ Int64(Int8(bitPattern: byte())) }
        return integer(Int64.self)
    }

    mutating func bytes(_ count: Int) -> UnsafeRawBufferPointer {
        let taken = UnsafeRawBufferPointer(rebasing: rest.prefix(count))
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        return taken
    }
}

/// Cuts an input into pieces whose lengths follow from its own content, so that an input always gives the same pieces.
struct Pieces: Sequence, IteratorProtocol {
    private var rest: UnsafeRawBufferPointer
    private var state: UInt64

    init(_ bytes: UnsafeRawBufferPointer) {
        rest = bytes
        state = UInt64(bytes.count) &* 0x9E37_79B9_7F4A_7C15
        for byte in bytes.suffix(32) { state = (state ^ UInt64(byte)) &* 0x100_0000_01B3 }
    }

    mutating func next() -> UnsafeRawBufferPointer? {
        guard !rest.isEmpty else { return nil }
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let longest = state >> 62 == 0 ? 3 : 700
        let count = Int((state >> 33) % UInt64(longest)) + 1
        let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(count))
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
        return piece
    }
}
