import Harness
import POSIX
import Testing

@testable import FUSE
@testable import Mount

/// What a process leaves in a session's memory, and what the next one finds there.
struct SessionMemoryTests {
    private let memory: SessionMemory

    init() throws { memory = try SessionMemory(description: "a test") }

    /// The memory as another process sees it that gets the descriptor now.
    private func next() throws -> SessionMemory {
        // A copy, so that both can go on.
        let copy = try FileDescriptor.memory("copy")
        _ = try copy.copyContent(of: memory.file)
        return try SessionMemory(continuing: copy)
    }

    @Test func `The description is read again, and what is no memory is refused`() throws {
        #expect(try next().description == "a test")
        #expect(throws: Errno.invalidArgument) {
            try SessionMemory(continuing: try FileDescriptor.memory("empty"))
        }
    }

    @Test func `INIT is kept as it came, and requests at hand are told once`() throws {
        #expect(try next().initRequest.isEmpty)
        let bytes = (0..<104).map { UInt8($0) }
        bytes.withUnsafeBytes { memory.keep(initRequest: $0) }
        let context = RequestContext(memory, thread: 3)
        context.begin(42)
        let later = try next()
        #expect(later.initRequest == bytes)
        #expect(later.takeRequests() == [42])
        #expect(later.takeRequests().isEmpty)
        context.end()
        #expect(try next().takeRequests().isEmpty)
    }

    @Test func `An open file is found by the request that opened it, and its number never comes again`()
        throws
    {
        let files = OpenFiles(memory)
        let first = files.add(7, request: 100, backing: 3)
        let second = files.add(8, request: 102, backing: 0)
        #expect(files.remove(second)?.inode == 8)
        let later = OpenFiles(try next())
        #expect(later.opened(by: 100)?.number == first)
        #expect(later.opened(by: 100)?.backing == 3)
        #expect(later.opened(by: 102) == nil)
        // A RELEASE that comes again.
        #expect(later.remove(second) == nil)
        let third = later.add(9, request: 104, backing: 0)
        #expect(third != first && third != second)
        #expect(later.all.count == 2)
    }

    @Test func `More open files than fit into a piece of memory are all found again`() throws {
        let files = OpenFiles(memory)
        var numbers = (0..<10_000).map { files.add(UInt64($0), request: UInt64($0) * 2, backing: 0) }
        for number in numbers.prefix(5000) { _ = files.remove(number) }
        numbers.removeFirst(5000)
        let later = OpenFiles(try next())
        #expect(Set(later.all.map(\.number)) == Set(numbers))
    }

    @Test func `A slot that was not published is none`() throws {
        var slots = SlotTable(memory, kind: 9, slotSize: 64)
        _ = slots.publish { $0.set(1, at: 8) }
        _ = slots.publish { slot in
            slot.set(2, at: 8)
            // The process dies here.
            var seen = (try? next()).map { SlotTable($0, kind: 9, slotSize: 64) }
            #expect(seen?.takePublished().map { $0.word(at: 8) } == [1])
        }
        var later = SlotTable(try next(), kind: 9, slotSize: 64)
        #expect(later.takePublished().map { $0.word(at: 8) } == [1, 2])
    }
}

/// Inodes that a process leaves to the next one.
struct InodeTableTests {
    private typealias Place = Inode.Place

    private func next(_ memory: SessionMemory) throws -> InodeTable {
        let copy = try FileDescriptor.memory("copy")
        _ = try copy.copyContent(of: memory.file)
        return InodeTable(try SessionMemory(continuing: copy))
    }

    private func facts(_ table: InodeTable) -> [UInt64: String] {
        Dictionary(
            uniqueKeysWithValues: table.all.map { inode in
                let (place, lookups) = inode.withState { ($0.place, $0.lookups) }
                return (inode.number, "\(place?.folder ?? 0)/\(place?.name ?? "") \(lookups)")
            }
        )
    }

    @Test func `After each step of a long sequence the next process finds the same inodes`() throws {
        var random = Seed.Sequence(seed: 20_261_121)
        let memory = try SessionMemory(description: "")
        let table = InodeTable(memory)
        let names = (0..<12).map { "name-\($0)" } + [String(repeating: "n", count: 255), "Ünïcödé"]
        for step in 0..<2000 {
            let place = Place(folder: 1, name: names[Int.random(in: 0..<names.count, using: &random)])
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1: _ = table.lookedUp(place, .local(nil))
            case 2: table.removed(place)
            case 3:
                let new = Place(folder: 1, name: names[Int.random(in: 0..<names.count, using: &random)])
                if new != place, table.inode(at: place) != nil { table.renamed(place, to: new) }
            default:
                let all = table.all
                if !all.isEmpty {
                    table.forget(all[Int.random(in: 0..<all.count, using: &random)].number, count: 1)
                }
            }
            guard step % 10 == 0 else { continue }
            let later = try next(memory)
            #expect(facts(later) == facts(table), "step \(step)")
            for name in names {
                let place = Place(folder: 1, name: name)
                #expect(later.inode(at: place)?.number == table.inode(at: place)?.number, "step \(step)")
            }
        }
    }

    @Test func `A process that dies while it changes a name leaves the new one`() throws {
        let memory = try SessionMemory(description: "")
        let table = InodeTable(memory)
        let number = table.lookedUp(Place(folder: 1, name: "old"), .local(nil)).number
        // Both slots are there.
        var slots = SlotTable(memory, kind: InodeSlot.kind, slotSize: InodeSlot.size)
        _ = slots.takePublished()
        _ = InodeSlot.publish(number, Place(folder: 1, name: "new"), lookups: 1, in: &slots)
        let later = try next(memory)
        #expect(later.inode(at: Place(folder: 1, name: "new"))?.number == number)
        #expect(later.inode(at: Place(folder: 1, name: "old")) == nil)
        #expect(later.all.count == 1)
    }

    @Test func `Numbers go on where the process before ended`() throws {
        let memory = try SessionMemory(description: "")
        let table = InodeTable(memory)
        let first = table.lookedUp(Place(folder: 1, name: "a"), .local(nil)).number
        table.forget(first, count: 1)
        let later = try next(memory)
        #expect(later.lookedUp(Place(folder: 1, name: "a"), .local(nil)).number == first + 1)
    }
}
