import LTX
import Store
import Testing

@testable import Replication

@Suite("PositionMap")
struct PositionMapTests {
    private func sample() throws -> PositionMap {
        PositionMap([
            try DatabaseName("b.db"): Position(txid: TXID(0x0102), postApply: Checksum(rawValue: 0x8899)),
            try DatabaseName("a"): Position(txid: TXID(7), postApply: .empty),
        ])
    }

    @Test func `is encoded field by field in the order of names`() throws {
        let expected: [UInt8] =
            [0, 0, 0, 2]
            + [0, 0, 0, 1, 0x61] + [0, 0, 0, 0, 0, 0, 0, 7] + [0x80, 0, 0, 0, 0, 0, 0, 0]
            + [0, 0, 0, 4, 0x62, 0x2E, 0x64, 0x62] + [0, 0, 0, 0, 0, 0, 1, 2] + [
                0, 0, 0, 0, 0, 0, 0x88, 0x99,
            ]
        #expect(try sample().encoded() == expected)
    }

    @Test func `comes back from what it was encoded to`() throws {
        let map = try sample()
        #expect(try PositionMap(decoding: map.encoded()) == map)
        #expect(try PositionMap(decoding: PositionMap().encoded()) == PositionMap())
    }

    @Test func `is refused when it ends early, at every byte`() throws {
        let bytes = try sample().encoded()
        for count in 0..<bytes.count {
            #expect(throws: PositionMapError.truncated(offset: count)) {
                try PositionMap(decoding: Array(bytes[..<count]))
            }
        }
    }

    @Test func `is refused when there is more than announced`() throws {
        let bytes = try sample().encoded()
        #expect(throws: PositionMapError.bytesAfterEnd(offset: bytes.count)) {
            try PositionMap(decoding: bytes + [0])
        }
    }

    @Test func `is refused when it announces too much`() throws {
        #expect(throws: PositionMapError.tooManyDatabases(65_537)) {
            try PositionMap(decoding: [0, 1, 0, 1])
        }
        #expect(throws: PositionMapError.tooManyDatabases(.max)) {
            try PositionMap(decoding: [255, 255, 255, 255])
        }
        #expect(throws: PositionMapError.nameTooLong(byteCount: 256, offset: 4)) {
            try PositionMap(decoding: [0, 0, 0, 1, 0, 0, 1, 0])
        }
        #expect(throws: PositionMapError.tooLong(byteCount: PositionMap.maximumByteCount + 1)) {
            try PositionMap(decoding: [UInt8](repeating: 0, count: PositionMap.maximumByteCount + 1))
        }
    }

    @Test func `is refused when a name is no database's or comes twice`() throws {
        let entry: [UInt8] = [0, 0, 0, 1, 0x61] + [UInt8](repeating: 0, count: 16)
        let duplicate = PositionMapError.duplicateName(try DatabaseName("a"), offset: 4 + entry.count)
        #expect(throws: duplicate) { try PositionMap(decoding: [0, 0, 0, 2] + entry + entry) }
        for name in ["", "..", "a/b", "x-wal", "a\0b"] {
            let bytes =
                [0, 0, 0, 1, 0, 0, 0, UInt8(name.utf8.count)] + Array(name.utf8)
                + [UInt8](repeating: 0, count: 16)
            #expect(throws: PositionMapError.self) { try PositionMap(decoding: bytes) }
        }
        let notText: [UInt8] = [0, 0, 0, 1, 0, 0, 0, 1, 0xFF] + [UInt8](repeating: 0, count: 16)
        #expect(throws: PositionMapError.self) { try PositionMap(decoding: notText) }
    }

    @Test func `never traps on noise`() throws {
        var random = RandomSource(seed: 11)
        let good = try sample().encoded()
        for _ in 0..<5_000 {
            var bytes = random.next() % 2 == 0 ? good : random.bytes(Int(random.next() % 64))
            if !bytes.isEmpty {
                bytes[Int(random.next() % UInt64(bytes.count))] ^= UInt8(truncatingIfNeeded: random.next())
            }
            _ = try? PositionMap(decoding: bytes)
        }
    }
}
