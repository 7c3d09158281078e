import PowerLoss
import Testing

struct DiskTests {
    private let file = Node(number: 1)
    private let place = Place(.root, "file")

    private func disk(_ changes: [Recording.Change]) -> Disk {
        var disk = Disk()
        for (index, change) in changes.enumerated() {
            disk.carryOut(Recording.Record(time: Int64(index), modified: Int64(100 + index), change))
        }
        return disk
    }

    private func bytes(
        _ disk: Disk,
        _ survival: Survival,
        _ path: String = "file",
        seed: UInt64 = 1
    ) -> [UInt8]? {
        var random = Dice(seed: seed)
        return disk.state(survival, &random).files[path]?.content.bytes
    }

    /// All contents of a file in many random states.
    private func contents(_ disk: Disk, _ survival: Survival, _ path: String = "file") -> Set<[UInt8]?> {
        Set((0..<2000).map { bytes(disk, survival, path, seed: $0) })
    }

    private func filled(_ byte: UInt8, _ count: Int) -> ArraySlice<UInt8> {
        Array(repeating: byte, count: count)[...]
    }

    @Test(arguments: Survival.allCases)
    func `What was synced is there, whatever else survives`(survival: Survival) {
        let disk = disk([
            .create(file, place), .write(file, offset: 0, filled(1, 3)), .synchronize(file, dataOnly: true),
            .synchronize(.root, dataOnly: false),
        ])
        #expect(contents(disk, survival) == [[1, 1, 1]])
    }

    @Test(arguments: Survival.allCases)
    func `syncfs puts names and contents on disk`(survival: Survival) {
        let folder = Node(number: 2)
        let disk = disk([
            .makeFolder(folder, Place(.root, "folder")), .create(file, Place(folder, "file")),
            .write(file, offset: 0, filled(1, 3)), .synchronizeAll,
        ])
        #expect(contents(disk, survival, "folder/file") == [[1, 1, 1]])
    }

    @Test
    func `A synced file has no name until its folder is synced`() {
        let disk = disk([
            .create(file, place), .write(file, offset: 0, filled(1, 3)), .synchronize(file, dataOnly: false),
        ])
        #expect(bytes(disk, .nothing) == nil)
        #expect(bytes(disk, .namesOnly) == [1, 1, 1])
        #expect(contents(disk, .weak) == [nil, [1, 1, 1]])
        #expect(contents(disk, .journalled) == [nil, [1, 1, 1]])
    }

    @Test
    func `A renamed file whose content was not synced may be empty, or zeros`() {
        let disk = disk([
            .create(file, Place(.root, "new")), .write(file, offset: 0, filled(1, 600)),
            .rename(Place(.root, "new"), place), .synchronize(.root, dataOnly: false),
        ])
        #expect(bytes(disk, .nothing) == [])
        #expect(bytes(disk, .sizesOnly) == Array(repeating: 0, count: 600))
        #expect(bytes(disk, .everything) == Array(filled(1, 600)))
        let found = contents(disk, .weak)
        #expect(found.contains([]))
        #expect(found.contains(Array(filled(1, 600))))
        #expect(found.contains(Array(filled(1, 512) + filled(0, 88))))
        #expect(found.contains(Array(filled(0, 512) + filled(1, 88))))
    }

    @Test(arguments: [Survival.weak, .journalled])
    func `A sector is old or new`(survival: Survival) {
        let disk = disk([
            .create(file, place), .write(file, offset: 0, filled(1, 1024)),
            .synchronize(file, dataOnly: true), .synchronize(.root, dataOnly: true),
            .write(file, offset: 100, filled(2, 824)),
        ])
        let old = Array(filled(1, 1024))
        var new = old
        new.replaceSubrange(100..<924, with: filled(2, 824))
        let expected: Set<[UInt8]?> = [
            old, new, Array(new[..<512] + old[512...]), Array(old[..<512] + new[512...]),
        ]
        #expect(contents(disk, survival) == expected)
    }

    @Test
    func `Names survive in order on a journalled file system, and in any order on a weak one`() {
        let (first, second) = (Node(number: 1), Node(number: 2))
        let disk = disk([
            .create(first, Place(.root, "first")), .create(second, Place(.root, "second")),
            .rename(Place(.root, "second"), Place(.root, "third")),
        ])
        func names(_ survival: Survival) -> Set<[String]> {
            var random = Dice(seed: 1)
            return Set((0..<500).map { _ in disk.state(survival, &random).files.keys.sorted() })
        }
        #expect(names(.journalled) == [[], ["first"], ["first", "second"], ["first", "third"]])
        #expect(
            names(.weak) == [[], ["first"], ["second"], ["third"], ["first", "second"], ["first", "third"]]
        )
    }

    @Test
    func `A synced folder brings the changes with it that its names depend on, and no others`() {
        let (folder, other) = (Node(number: 2), Node(number: 3))
        let disk = disk([
            .makeFolder(folder, Place(.root, "folder")), .synchronize(.root, dataOnly: false),
            .create(other, Place(.root, "other")), .create(file, Place(.root, "file")),
            .rename(Place(.root, "file"), Place(folder, "file")), .synchronize(folder, dataOnly: false),
        ])
        #expect(bytes(disk, .nothing, "folder/file") == [])
        #expect(bytes(disk, .nothing, "other") == nil)
        #expect(contents(disk, .journalled, "other") == [[]])
        #expect(contents(disk, .weak, "other") == [nil, []])
    }

    @Test
    func `What replaced a truncated part is not there without the truncation, where order is kept`() {
        let disk = disk([
            .create(file, place), .write(file, offset: 0, filled(1, 2)), .synchronizeAll,
            .setSize(file, 0), .write(file, offset: 0, filled(2, 1)),
        ])
        #expect(contents(disk, .journalled).isSubset(of: [[1, 1], [], [2], [0]]))
        #expect(contents(disk, .weak).contains([2, 1]))
    }

    @Test
    func `Only fsync settles the time of change`() {
        var random = Dice(seed: 1)
        let before: [Recording.Change] = [
            .create(file, place), .synchronizeAll, .write(file, offset: 0, filled(1, 1)),
        ]
        let data = disk(before + [.synchronize(file, dataOnly: true)])
        #expect(
            data.state(.nothing, &random).files["file"]?.content == FileContent(bytes: [1], modified: 100)
        )
        #expect(
            data.state(.everything, &random).files["file"]?.content == FileContent(bytes: [1], modified: 102)
        )
        let all = disk(before + [.synchronize(file, dataOnly: false)])
        #expect(all.state(.nothing, &random).files["file"]?.content == FileContent(bytes: [1], modified: 102))
    }
}

/// Random numbers of a generator that has a size: the thread sanitizer takes the address of one without for that of something.
private struct Dice: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
