import CChecksum
import LTX
import SQLiteFormat
import Testing

@Suite("CRC-64/GO-ISO")
struct CRC64Tests {
    typealias Kernel = @Sendable (UInt64, UnsafeRawBufferPointer) -> UInt64

    static let slicing: Kernel = { cchecksum_crc64_iso_update_slicing($0, $1.baseAddress, $1.count) }
    static let carryless: Kernel = { cchecksum_crc64_iso_update_clmul($0, $1.baseAddress, $1.count) }
    static let chosen: Kernel = { cchecksum_crc64_iso_update($0, $1.baseAddress, $1.count) }
    static let kernels: [Kernel] = [slicing, chosen] + (cchecksum_crc64_iso_has_clmul() ? [carryless] : [])

    /// One bit after the other, as the definition has it.
    static func definition(_ crc: UInt64, _ bytes: some Sequence<UInt8>) -> UInt64 {
        var register = ~crc
        for byte in bytes {
            register ^= UInt64(byte)
            for _ in 0..<8 {
                register = (register >> 1) ^ (register & 1 == 0 ? 0 : 0xD800_0000_0000_0000)
            }
        }
        return ~register
    }

    @Test("Each kernel has the check value")
    func checkValue() {
        let digits = Array("123456789".utf8)
        #expect(Self.definition(0, digits) == 0xB909_56C7_75A4_1001)
        for kernel in Self.kernels {
            #expect(digits.withUnsafeBytes { kernel(0, $0) } == 0xB909_56C7_75A4_1001)
        }
    }

    @Test("Each kernel agrees with the definition for every length and alignment")
    func lengths() {
        var random = RandomSource(seed: 1)
        let bytes = random.bytes(400)
        for length in 0...350 {
            let start = length % 17
            let before = random.next()
            let expected = Self.definition(before, bytes[start..<start + length])
            bytes.withUnsafeBytes { bytes in
                let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])
                for kernel in Self.kernels { #expect(kernel(before, piece) == expected, "length \(length)") }
            }
        }
    }

    @Test("Kernels agree on random pieces of a long message, given one after the other")
    func pieces() {
        var random = RandomSource(seed: 2)
        let bytes = random.bytes(300_000)
        let results = Self.kernels.map { kernel in
            bytes.withUnsafeBytes { bytes in
                var crc: UInt64 = 0
                var rest = bytes[...]
                while !rest.isEmpty {
                    let piece = rest.prefix(Int(random.next() % 5000))
                    crc = kernel(crc, UnsafeRawBufferPointer(rebasing: piece))
                    rest = rest[piece.endIndex...]
                }
                return crc
            }
        }
        let whole = bytes.withUnsafeBytes { Self.slicing(0, $0) }
        #expect(results.allSatisfy { $0 == whole })
    }

    @Test("The multipliers of the carry-less kernel are the powers that its derivation says")
    func multipliers() {
        /// The reflection of x^n modulo x^64 + x^4 + x^3 + x + 1.
        func power(_ exponent: Int) -> UInt64 {
            var value: UInt64 = 1
            for _ in 0..<exponent { value = value << 1 ^ (value >> 63 == 0 ? 0 : 0x1B) }
            return (0..<64).reduce(0) { $0 << 1 | value >> UInt64($1) & 1 }
        }
        let expected = [power(128 + 63), power(128 - 1), power(512 + 63), power(512 - 1)]
        let fold = cchecksum_crc64_iso_fold
        #expect([fold.0, fold.1, fold.2, fold.3] == expected)
    }

    @Test("A page checksum is the flag and the CRC of big-endian page number and page")
    func pageChecksums() {
        var random = RandomSource(seed: 3)
        for size: UInt32 in [512, 4096, 65_536] {
            let page = random.bytes(Int(size))
            let expected = Self.definition(0, [0x01, 0x02, 0x03, 0x04] + page) | 1 << 63
            #expect(pageChecksum(PageNumber(0x0102_0304), page).rawValue == expected)
        }
    }
}
