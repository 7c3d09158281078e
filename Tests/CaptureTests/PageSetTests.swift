import Capture
import SQLiteFormat
import Testing

struct PageSetTests {
    @Test
    func `A set does what a set of numbers does`() {
        let seed = UInt64.random(in: 0 ... .max)
        print("seed \(seed)")
        var random = Random(seed: seed)
        var set = PageSet()
        var model: Set<UInt32> = []
        for step in 0..<3000 {
            let page = UInt32.random(in: 0...500, using: &random) << (random.once(in: 9) ? 23 : 0)
            switch Int.random(in: 0..<6, using: &random) {
            case 0...1:
                set.insert(PageNumber(page))
                if page > 0 { model.insert(page) }
            case 2:
                let last = page &+ UInt32.random(in: 0...200, using: &random)
                set.insert(page...max(page, last))
                model.formUnion(max(page, 1)...max(page, last, 1))
                if max(page, last) == 0 { model.remove(1) }
            case 3...4:
                set.remove(PageNumber(page))
                model.remove(page)
            default:
                var other = PageSet()
                other.insert(PageNumber(page | 1))
                other.insert(7...9)
                set.formUnion(other)
                model.formUnion([page | 1, 7, 8, 9])
                if random.once(in: 20) {
                    set.removeAll()
                    model = []
                }
            }
            #expect(set.count == model.count, "step \(step)")
            #expect(set.isEmpty == model.isEmpty)
            #expect(set.contains(PageNumber(page)) == model.contains(page))
            if step % 50 == 0 {
                var pages: [UInt32] = []
                let add: (PageNumber) -> Void = { pages.append($0.rawValue) }
                set.visitPages(add)
                #expect(pages == model.sorted(), "step \(step)")
            }
        }
    }

    @Test
    func `The last page number is in reach, and page 0 is none`() {
        var set = PageSet()
        set.insert(PageNumber(.max))
        set.insert(PageNumber(0))
        set.insert(UInt32.max - 1...UInt32.max)
        #expect(set.count == 2)
        #expect(set.contains(PageNumber(.max)))
        #expect(!set.contains(PageNumber(0)))
        var last = PageNumber(0)
        let note: (PageNumber) -> Void = { last = $0 }
        set.visitPages(note)
        #expect(last.rawValue == .max)
    }
}
