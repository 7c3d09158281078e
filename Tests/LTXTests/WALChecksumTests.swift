import CChecksum
import Testing

@Suite("SQLite's WAL checksum")
struct WALChecksumTests {
    static func definition(_ start: [UInt32], _ bytes: [UInt8], isBigEndian: Bool) -> [UInt32] {
        var sums = start
        for offset in stride(from: 0, through: bytes.count - 8, by: 8) {
            let words = [offset, offset + 4]
                .map { word in
                    let value = (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(bytes[word + $1]) }
                    return isBigEndian ? value : value.byteSwapped
                }
            sums[0] = sums[0] &+ words[0] &+ sums[1]
            sums[1] = sums[1] &+ words[1] &+ sums[0]
        }
        return sums
    }

    static func kernel(_ start: [UInt32], _ bytes: [UInt8], isBigEndian: Bool) -> [UInt32] {
        var sums = start
        cchecksum_wal_checksum(&sums, bytes, bytes.count, isBigEndian ? 1 : 0)
        return sums
    }

    @Test("It follows its definition in both byte orders, from any start", arguments: [true, false])
    func definitions(isBigEndian: Bool) {
        var random = RandomSource(seed: 4)
        for length in stride(from: 0, through: 4096, by: 24) {
            let bytes = random.bytes(length)
            let start = [
                UInt32(truncatingIfNeeded: random.next()), UInt32(truncatingIfNeeded: random.next()),
            ]
            #expect(
                Self.kernel(start, bytes, isBigEndian: isBigEndian)
                    == Self.definition(start, bytes, isBigEndian: isBigEndian)
            )
        }
    }

    @Test("A message given in two pieces has the checksum of the whole")
    func pieces() {
        var random = RandomSource(seed: 5)
        let bytes = random.bytes(4120)
        let first = Self.kernel([0, 0], Array(bytes[..<24]), isBigEndian: true)
        let both = Self.kernel(first, Array(bytes[24...]), isBigEndian: true)
        #expect(both == Self.kernel([0, 0], bytes, isBigEndian: true))
    }

    @Test("Bytes behind the last multiple of eight are not read")
    func remainder() {
        let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
        let whole = Self.kernel([7, 9], bytes, isBigEndian: true)
        #expect(whole == Self.kernel([7, 9], Array(bytes[..<8]), isBigEndian: true))
    }
}
