import FUSE
import Store

/// An inode in the session's memory, as a later process finds it.
///
///      8  number      16  look-ups       24  folder      32  inode number of the file that backs it, 0 when it was never open
///     40  1 when it has no name any more, plus 256 times the length of the name            48  the name, at most 255 bytes
///
/// What it is does not stand there: that follows from where its name lies.
struct InodeSlot: Sendable {
    static let kind: UInt32 = 1
    static let size = 304
    private static let longestName = 255

    let slot: SlotTable.Slot

    init(_ slot: SlotTable.Slot) { self.slot = slot }

    /// Notes an inode with a name; nil where there is no memory for it.
    static func publish(
        _ number: InodeNumber,
        _ place: Inode.Place,
        lookups: UInt64,
        identity: UInt64 = 0,
        in slots: inout SlotTable
    ) -> InodeSlot? {
        let name = Array(place.name.utf8)
        guard name.count <= longestName else { return nil }
        return
            slots.publish { slot in
                slot.set(number, at: 8)
                slot.set(lookups, at: 16)
                slot.set(place.folder, at: 24)
                slot.set(identity, at: 32)
                slot.set(UInt64(name.count) << 8, at: 40)
                (slot.base + 48).copyMemory(from: name, byteCount: name.count)
            }
            .map(InodeSlot.init)
    }

    var number: InodeNumber { slot.word(at: 8) }
    var lookups: UInt64 { slot.word(at: 16) }
    var identity: UInt64 { slot.word(at: 32) }

    /// Folder and name; nil when it has none any more.
    var place: Inode.Place? {
        let word = slot.word(at: 40)
        guard word & 1 == 0 else { return nil }
        let bytes = UnsafeRawBufferPointer(
            start: slot.base + 48,
            count: min(Int(word >> 8), Self.longestName)
        )
        return Inode.Place(folder: slot.word(at: 24), name: String(decoding: bytes, as: UTF8.self))
    }

    func set(lookups: UInt64) { slot.set(lookups, at: 16) }

    func setNameless() { slot.set(slot.word(at: 40) | 1, at: 40) }

    /// Notes which file backs the inode, when it is opened for the first time or a rename exchanged it.
    func note(_ file: BackingFile) {
        if identity == 0 { slot.set(file.identity, at: 32) }
    }
}
