import Capture
import SQLiteFormat

extension FuzzTarget {
    static let journal = FuzzTarget(
        "journal",
        summary: "rollback journals: headers, and whether they are in force after writes in any order",
        maximumByteCount: 600,
        seeds: { [Array(try RealFiles.database(mode: "delete").journal.prefix(200)), JournalHeader.magic] },
        check: { bytes in
            if let header = try? JournalHeader(bytes) {
                try require(header.recordSize == header.pageSize.bytes + 8, "the size of a record")
                try require(
                    JournalHeader.isActive(prefix: bytes),
                    "a header of a journal that is not in force"
                )
                try require(header.sectorSize >= 32, "sectors of \(header.sectorSize) bytes")
            }
            try checkJournalState(bytes)
        }
    )
}

/// Writes pieces anywhere, and compares with the state that the whole file has.
private func checkJournalState(_ bytes: UnsafeRawBufferPointer) throws {
    var input = FuzzInput(bytes)
    var state = JournalState()
    var file = [UInt8](repeating: 0, count: 64)
    while !input.isEmpty {
        let kind = input.byte()
        let offset = input.extreme()
        let piece =
            kind & 1 == 0
            ? Array(input.bytes(Int(kind >> 1) % 16)) : Array(JournalHeader.magic.prefix(Int(kind >> 1) % 9))
        if kind == 255 { state.ended() }
        if kind == 255 { for index in file.indices { file[index] = 0 } }
        let ends = piece.withUnsafeBytes { state.wouldEnd(writing: $0, at: offset) }
        let wasActive = state.isActive
        piece.withUnsafeBytes { state.wrote($0, at: offset) }
        if (0..<32).contains(offset) {
            file.replaceSubrange(Int(offset)..<Int(offset) + piece.count, with: piece)
        }
        let read = file.withUnsafeBytes { JournalState(prefix: $0) }
        try require(read == state, "the state after writes is not that of the file")
        try require(ends == (wasActive && !state.isActive), "the end was not foreseen")
    }
}
