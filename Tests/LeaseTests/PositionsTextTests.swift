import Harness
import LTX
import Testing

@testable import Lease

@Suite struct PositionsTextTests {
    private func position(_ txid: UInt64) -> Position {
        Position(txid: TXID(txid), postApply: Checksum(rawValue: Checksum.flag | txid))
    }

    @Test func `entries are sorted by name and joined by commas`() {
        #expect(PositionsText.text([:]) == "")
        #expect(
            PositionsText.text(["b.db": position(2), "a=b,c.db": position(1)])
                == "a%3Db%2Cc.db=0000000000000001/8000000000000001,b.db=0000000000000002/8000000000000002"
        )
    }

    @Test func `any names come back`() {
        var random = Seed.sequence(for: "positions")
        for _ in 0..<200 {
            var positions: [String: Position] = [:]
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                var name = ""
                for _ in 0..<Int.random(in: 1...30, using: &random) {
                    let last: UInt32 = Bool.random(using: &random) ? 0x7F : 0x10FFFF
                    let scalar = Unicode.Scalar(UInt32.random(in: 1...last, using: &random))
                    name.unicodeScalars.append(scalar.flatMap { $0 == "/" ? nil : $0 } ?? "=")
                }
                positions[name] = position(.random(in: 0 ... .max, using: &random))
            }
            let text = PositionsText.text(positions)
            let plain = text.utf8.allSatisfy { (0x21..<0x7F).contains($0) }
            #expect(plain)
            #expect(PositionsText.positions(text) == positions)
        }
    }

    @Test func `when there are too many, the lowest TXIDs are left out`() throws {
        var positions: [String: Position] = [:]
        for number in 1...6_000 { positions["database-\(number).db"] = position(UInt64(number)) }
        let text = PositionsText.text(positions)
        #expect((PositionsText.limit - 60...PositionsText.limit).contains(text.utf8.count))
        let kept = try #require(PositionsText.positions(text))
        let lowest = try #require(kept.values.map(\.txid.rawValue).min())
        #expect(kept.count == 6_000 - Int(lowest) + 1)
        #expect(kept == positions.filter { $0.value.txid.rawValue >= lowest })
    }

    @Test func `a name that does not fit by itself leaves room for none`() {
        let long = String(repeating: "é", count: PositionsText.limit / 6)
        #expect(PositionsText.text([long: position(1)]) == "")
        #expect(
            PositionsText.positions(PositionsText.text([long: position(1), "a": position(2)]))?.count == 1
        )
    }

    @Test(arguments: [
        ",", "a.db", "a.db=", "a.db=0000000000000001", "a.db=1/2", "=0000000000000001/8000000000000001",
        "a.db=0000000000000001/8000000000000001,", "a=b=0000000000000001/8000000000000001",
        "a%=0000000000000001/8000000000000001", "%FF=0000000000000001/8000000000000001",
        "a.db=0000000000000001/800000000000000G",
        "a.db=0000000000000001/8000000000000001,a.db=0000000000000002/8000000000000001",
        "a.db=0000000000000001/8000000000000001,%61.db=0000000000000002/8000000000000001",
    ])
    func `what is no list of positions is not taken for one`(text: String) {
        #expect(PositionsText.positions(text) == nil)
    }
}
