/// Bytes in memory of its own that grows and is used again.
///
/// Pointers into it are valid until the next mutation.
struct ByteBuffer: ~Copyable {
    private var memory: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(capacity: Int = 0) {
        memory = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit {
        memory.deallocate()
    }

    var capacity: Int {
        memory.count
    }

    var isEmpty: Bool {
        count == 0
    }

    /// What was written.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: memory[..<count])
    }

    /// The memory behind it, at least `minimum` bytes; what is written there counts after `commit`.
    mutating func free(minimum: Int) -> UnsafeMutableRawBufferPointer {
        if memory.count - count < minimum {
            let larger = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(count + minimum, memory.count * 2),
                alignment: 16
            )
            larger.copyMemory(from: bytes)
            memory.deallocate()
            memory = larger
        }
        return UnsafeMutableRawBufferPointer(rebasing: memory[count...])
    }

    /// Counts `written` bytes of the memory that `free` gave.
    mutating func commit(_ written: Int) {
        precondition(written <= memory.count - count, "more bytes than the buffer has")
        count += written
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        free(minimum: bytes.count).copyMemory(from: bytes)
        commit(bytes.count)
    }

    /// Forgets the bytes, and gives memory back if it is more than `retained`.
    mutating func removeAll(retaining retained: Int = .max) {
        count = 0
        if memory.count > retained {
            memory.deallocate()
            memory = .allocate(byteCount: retained, alignment: 16)
        }
    }
}
