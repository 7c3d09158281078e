import SQLiteFormat

/// Memory for a wal-index, for this process alone.
///
/// Keep it in a variable: `index` holds addresses only.
final class IndexMemory {
    let memory: UnsafeMutableRawBufferPointer

    init(regions: Int, fill: UInt8 = 0) {
        memory = .allocate(byteCount: regions * WALIndex.regionSize, alignment: 8)
        memory.initializeMemory(as: UInt8.self, repeating: fill)
    }

    /// A copy of a `-shm` file.
    init(_ bytes: [UInt8]) {
        memory = .allocate(byteCount: bytes.count, alignment: 8)
        memory.copyBytes(from: bytes)
    }

    deinit {
        memory.deallocate()
    }

    var index: WALIndex { WALIndex(contiguous: memory) }

    var bytes: [UInt8] { Array(memory) }
}
