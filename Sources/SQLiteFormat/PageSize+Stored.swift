extension PageSize {
    /// Creates a page size from a 16-bit field, where 65,536 is written as 1.
    ///
    /// The database header (offset 16) and the wal-index header (offset 14) store it this way.
    init?(stored: UInt16) {
        self.init(stored == 1 ? 65_536 : UInt32(stored))
    }

    /// The value of a 16-bit field.
    var stored: UInt16 {
        rawValue == 65_536 ? 1 : UInt16(rawValue)
    }
}
