extension Array where Element == WALCapture.Page {
    /// Sorts by page and keeps the newest version of each, in place.
    public mutating func keepNewestVersions() {
        if count < 2 { return }
        sort { $0.order < $1.order }
        var kept = 0
        for index in 1..<count {
            if self[index].number != self[kept].number { kept += 1 }
            self[kept] = self[index]
        }
        removeLast(count - kept - 1)
    }
}

extension WALCapture.Page {
    /// By page, then by frame.
    fileprivate var order: UInt64 { UInt64(number.rawValue) << 32 | UInt64(frame.rawValue) }
}
