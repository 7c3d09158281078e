import SQLiteFormat

/// Random numbers that a seed repeats (SplitMix64).
struct RandomSource: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// A page as databases have it: some text, some noise, much nothing.
    mutating func page(_ size: PageSize) -> [UInt8] {
        var page = [UInt8](repeating: 0, count: size.bytes)
        switch next() % 4 {
        case 0:
            page = bytes(size.bytes)
        case 1:
            for index in page.indices { page[index] = UInt8(truncatingIfNeeded: index / 7 % 31) }
        case 2:
            let start = Int(next() % UInt64(size.bytes))
            for index in start..<size.bytes { page[index] = UInt8(truncatingIfNeeded: next() % 3) }
        default:
            break
        }
        return page
    }
}
