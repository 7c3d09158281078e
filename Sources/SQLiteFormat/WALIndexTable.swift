import CShims

/// Page numbers and hash table of one region of a wal-index.
///
/// A place is the number of a frame in the region, counted from 1. Slots are stored with release and loaded with
/// acquire, so a reader that finds a slot finds its page number too.
struct WALIndexTable {
    /// The number of the region.
    let region: Int

    /// The number of frames in the regions of the same part before.
    let base: Int

    /// The number of frames that the region indexes.
    let capacity: Int

    private let pages: UnsafeMutableRawPointer
    private let slots: UnsafeMutableRawPointer

    /// The table at a position among the regions of a part.
    init(_ part: WALIndexPart, at position: Int, start: UnsafeMutableRawPointer) {
        region = part.region(at: position)
        base = part.base(at: position)
        capacity = position == 0 ? part.framesInFirst : WALIndex.framesPerRegion
        pages = region == 0 ? start + WALIndex.prefixSize : start
        slots = start + WALIndex.slotsOffset
    }

    /// The error for a probe sequence without an end.
    var fullError: SQLiteFormatError {
        SQLiteFormatError(
            .walIndex,
            at: region * WALIndex.regionSize + WALIndex.slotsOffset,
            .hashTableFull(region: region)
        )
    }

    func page(at place: Int) -> UInt32 {
        cshims_load_relaxed_u32(pages + 4 * (place - 1))
    }

    func setPage(_ page: UInt32, at place: Int) {
        cshims_store_relaxed_u32(pages + 4 * (place - 1), page)
    }

    func slot(_ slot: Int) -> UInt16 {
        cshims_load_acquire_u16(slots + 2 * slot)
    }

    func setSlot(_ slot: Int, to place: UInt16) {
        cshims_store_release_u16(slots + 2 * slot, place)
    }

    /// Fills page numbers and slots with zeros.
    func clear() {
        let count = 4 * capacity + 2 * WALIndex.slotCount
        for offset in stride(from: 0, to: count, by: 4) {
            cshims_store_relaxed_u32(pages + offset, 0)
        }
    }

    /// Removes the entries of all places after one.
    ///
    /// Slots hold places in the order in which they were entered, so each probe sequence keeps its start.
    func removeEntries(after last: Int) {
        for index in 0..<WALIndex.slotCount where Int(slot(index)) > last {
            setSlot(index, to: 0)
        }
        for place in stride(from: last + 1, through: capacity, by: 1) {
            setPage(0, at: place)
        }
    }

    /// The last place of a page within limits.
    ///
    /// - Throws: `SQLiteFormatError` when the probe sequence has no end.
    func find(_ page: PageNumber, in places: ClosedRange<Int>) throws(SQLiteFormatError) -> Int? {
        var newest = 0
        var index = WALIndex.firstSlot(of: page)
        for _ in 0..<WALIndex.slotCount {
            let place = Int(slot(index))
            if place == 0 { return newest == 0 ? nil : newest }
            if place > newest, place <= capacity, places.contains(place),
                self.page(at: place) == page.rawValue
            {
                newest = place
            }
            index = WALIndex.slot(after: index)
        }
        throw fullError
    }
}
