// TXIDs and checksums are written as sixteen lower-case hex digits, everywhere: file names, positions, JSON.

extension UInt64 {
    /// Sixteen lower-case hex digits.
    var hexDigits: String {
        String(unsafeUninitializedCapacity: 16) { digits in
            for index in 0..<16 {
                let nibble = UInt8(truncatingIfNeeded: self >> UInt64(60 - 4 * index)) & 15
                digits[index] = nibble < 10 ? 48 + nibble : 87 + nibble
            }
            return 16
        }
    }

    /// Reads exactly sixteen lower-case hex digits.
    init?(hexDigits text: some StringProtocol) {
        var value: UInt64 = 0
        var count = 0
        for character in text.utf8 {
            let nibble: UInt8
            switch character {
            case 48...57: nibble = character - 48
            case 97...102: nibble = character - 87
            default: return nil
            }
            count += 1
            guard count <= 16 else { return nil }
            value = value << 4 | UInt64(nibble)
        }
        guard count == 16 else { return nil }
        self = value
    }
}
