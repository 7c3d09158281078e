/// SHA-256 (FIPS 180-4), by which recordings name pages.
public enum SHA256 {
    /// The first 16 hexadecimal digits of a digest.
    public static func prefix(of bytes: some Collection<UInt8>) -> String {
        let words = digest(of: bytes)
        return hex(words[0]) + hex(words[1])
    }

    private static func hex(_ word: UInt32) -> String {
        let text = String(word, radix: 16)
        return String(repeating: "0", count: 8 - text.count) + text
    }

    private static func digest(of bytes: some Collection<UInt8>) -> [UInt32] {
        var message = Array(bytes)
        let bitCount = UInt64(message.count) * 8
        message.append(0x80)
        while message.count % 64 != 56 { message.append(0) }
        withUnsafeBytes(of: bitCount.bigEndian) { message += $0 }
        var state: [UInt32] = roots(of: 8, power: 2)
        let constants: [UInt32] = roots(of: 64, power: 3)
        for start in stride(from: 0, to: message.count, by: 64) {
            var words = (0..<16)
                .map { index in
                    message[start + 4 * index..<start + 4 * index + 4]
                        .reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                }
            for index in 16..<64 {
                let (a, b) = (words[index - 15], words[index - 2])
                let s0 = rotate(a, 7) ^ rotate(a, 18) ^ a >> 3
                let s1 = rotate(b, 17) ^ rotate(b, 19) ^ b >> 10
                words.append(words[index - 16] &+ s0 &+ words[index - 7] &+ s1)
            }
            var round = state
            for index in 0..<64 {
                let (a, e) = (round[0], round[4])
                let s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
                let choice = (e & round[5]) ^ (~e & round[6])
                let t1 = round[7] &+ s1 &+ choice &+ constants[index] &+ words[index]
                let s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
                let majority = (a & round[1]) ^ (a & round[2]) ^ (round[1] & round[2])
                round = [t1 &+ s0 &+ majority] + round[..<7]
                round[4] = round[4] &+ t1
            }
            for index in 0..<8 { state[index] = state[index] &+ round[index] }
        }
        return state
    }

    private static func rotate(_ word: UInt32, _ bits: UInt32) -> UInt32 {
        word >> bits | word << (32 - bits)
    }

    /// The first 32 bits of the fractional parts of square or cube roots of the first primes.
    private static func roots(of count: Int, power: Int) -> [UInt32] {
        var primes: [UInt64] = []
        var candidate: UInt64 = 2
        while primes.count < count {
            if primes.allSatisfy({ candidate % $0 != 0 }) { primes.append(candidate) }
            candidate += 1
        }
        return primes.map { root(of: $0, power: power) }
    }

    /// floor(2^32 × root of a prime), without the whole part, by bisection over whole numbers.
    private static func root(of prime: UInt64, power: Int) -> UInt32 {
        var low: UInt64 = 0
        var high: UInt64 = 32 << 32
        while high - low > 1 {
            let middle = (low + high) / 2
            // middle^power ≤ prime × 2^(32 × power), in 192 bits.
            if isAtMost(middle, power, prime) { low = middle } else { high = middle }
        }
        return UInt32(truncatingIfNeeded: low)
    }

    private static func isAtMost(_ value: UInt64, _ power: Int, _ prime: UInt64) -> Bool {
        var product: [UInt64] = [1, 0, 0, 0]
        for _ in 0..<power {
            var carry: UInt64 = 0
            for index in 0..<4 {
                let (high, low) = product[index].multipliedFullWidth(by: value)
                let (sum, isOver) = low.addingReportingOverflow(carry)
                product[index] = sum
                carry = high &+ (isOver ? 1 : 0)
            }
        }
        // prime × 2^64 or prime × 2^96.
        let bound: [UInt64] = power == 2 ? [0, prime, 0, 0] : [0, prime << 32, 0, 0]
        for index in (0..<4).reversed() where product[index] != bound[index] {
            return product[index] < bound[index]
        }
        return true
    }
}
