import Capture
import LTX
import SQLiteFormat
import Testing

struct PageChecksumTableTests {
    @Test
    func `The database checksum is the XOR of the pages, whatever came before`() throws {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed \(seed)")
        var random = Random(seed: seed)
        let size = try #require(PageSize(4096))
        var table = PageChecksumTable(pageSize: size)
        #expect(table.databaseChecksum == .empty)
        var model: [UInt64] = []
        for _ in 0..<2000 {
            if random.once(in: 20) {
                let count = Int.random(in: 0...60, using: &random)
                table.resize(to: UInt32(count))
                model = Array(model.prefix(count)) + Array(repeating: 0, count: max(0, count - model.count))
            } else {
                let page = Int.random(in: 1...60, using: &random)
                let checksum = Checksum(rawValue: random.next() | Checksum.flag)
                table.set(PageNumber(UInt32(page)), checksum)
                model += Array(repeating: 0, count: max(0, page - model.count))
                model[page - 1] = checksum.rawValue
            }
            #expect(table.databaseChecksum.rawValue == model.reduce(0, ^) | Checksum.flag)
            #expect(table.checksums == model)
            #expect(table.pageCount == UInt32(model.count))
        }
        let saved = PageChecksumTable(pageSize: size, checksums: table.checksums)
        #expect(saved.databaseChecksum == table.databaseChecksum)
        #expect(saved.pageSize == size)
    }

    @Test
    func `Pages that are not there have no checksum`() {
        var table = PageChecksumTable()
        #expect(table.pageSize == nil)
        #expect(table[PageNumber(0)] == nil)
        #expect(table[PageNumber(1)] == nil)
        table.resize(to: 2)
        #expect(table[PageNumber(2)] == nil)
        #expect(table[PageNumber(.max)] == nil)
        #expect(table.databaseChecksum == .empty)
    }
}
