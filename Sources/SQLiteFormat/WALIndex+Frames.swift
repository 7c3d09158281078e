import CShims

extension WALIndex {
    /// Enters a frame.
    ///
    /// The caller holds the lock byte WRITE. Readers do not see the frame before `writeHeader` publishes it. Entries that an unfinished transaction left
    /// for this frame or later ones of its region go first.
    ///
    /// - Parameters:
    ///   - frame: the frame after the last one in the index, 1 or more.
    ///   - page: the page in the frame.
    /// - Returns: the offset of the slot in the index, in bytes.
    /// - Throws: `SQLiteFormatError` when the region is not mapped, or another process has damaged the table.
    @discardableResult
    public func append(frame: UInt32, page: PageNumber) throws(SQLiteFormatError) -> Int {
        let table = try table(ofFrame: frame)
        let place = Int(frame) - table.base
        if place == 1 {
            table.clear()
        } else if table.page(at: place) != 0 {
            table.removeEntries(after: place - 1)
        }
        var slot = Self.firstSlot(of: page)
        var probes = 0
        while table.slot(slot) != 0 {
            probes += 1
            guard probes < Self.slotCount else { throw table.fullError }
            slot = Self.slot(after: slot)
        }
        table.setPage(page.rawValue, at: place)
        table.setSlot(slot, to: UInt16(place))
        return table.region * Self.regionSize + Self.slotsOffset + 2 * slot
    }

    /// Removes the entries of frames after the last commit, of a transaction that was rolled back.
    ///
    /// The caller holds the lock byte WRITE. Only the region of `mxFrame` needs it: a later region is cleared when
    /// its first frame is entered.
    ///
    /// - Parameter mxFrame: the last frame of the last commit; nothing happens for 0.
    /// - Throws: `SQLiteFormatError` when the region is not mapped.
    public func cleanup(after mxFrame: UInt32) throws(SQLiteFormatError) {
        guard mxFrame > 0 else { return }
        let table = try table(ofFrame: mxFrame)
        table.removeEntries(after: Int(mxFrame) - table.base)
    }

    /// The newest frame with a page, as a reader sees it.
    ///
    /// - Parameters:
    ///   - page: the page.
    ///   - mxFrame: the last frame that the reader sees.
    ///   - minFrame: the first frame that is not in the database file for sure; frames before are ignored.
    /// - Returns: nothing if the page is not in these frames, and the database file has it.
    /// - Throws: `SQLiteFormatError` when a region is not mapped, or another process has damaged its table.
    public func find(
        page: PageNumber,
        upTo mxFrame: UInt32,
        minFrame: UInt32 = 1
    ) throws(SQLiteFormatError) -> UInt32? {
        let minFrame = max(minFrame, 1)
        guard page.rawValue != 0, mxFrame >= minFrame else { return nil }
        var position = part.position(ofFrame: mxFrame)
        let last = part.position(ofFrame: minFrame)
        while position >= last {
            let table = try table(position)
            let places = (Int(minFrame) - table.base)...(Int(mxFrame) - table.base)
            if let place = try table.find(page, in: places) { return UInt32(table.base + place) }
            position -= 1
        }
        return nil
    }

    /// The page in a frame.
    ///
    /// - Parameter frame: 1 to the last frame that the caller sees; other frames give leftovers.
    /// - Returns: nothing if the entry is empty.
    /// - Throws: `SQLiteFormatError` when the region is not mapped, or the frame is 0.
    public func page(ofFrame frame: UInt32) throws(SQLiteFormatError) -> PageNumber? {
        let table = try table(ofFrame: frame)
        let page = table.page(at: Int(frame) - table.base)
        return page == 0 ? nil : PageNumber(rawValue: page)
    }

    /// The slot at which the search for a page starts.
    static func firstSlot(of page: PageNumber) -> Int {
        Int((page.rawValue &* 383) & UInt32(slotCount - 1))
    }

    static func slot(after slot: Int) -> Int {
        (slot + 1) & (slotCount - 1)
    }

    private func table(ofFrame frame: UInt32) throws(SQLiteFormatError) -> WALIndexTable {
        guard frame > 0 else {
            throw SQLiteFormatError(.walIndex, at: 0, .illegalValue(field: .frameNumber, value: 0))
        }
        return try table(part.position(ofFrame: frame))
    }

    private func table(_ position: Int) throws(SQLiteFormatError) -> WALIndexTable {
        let region = part.region(at: position)
        guard region < regions.count else {
            throw SQLiteFormatError(
                .walIndex,
                at: region * Self.regionSize,
                .regionNotMapped(region: region)
            )
        }
        return WALIndexTable(part, at: position, start: regions[region])
    }
}
