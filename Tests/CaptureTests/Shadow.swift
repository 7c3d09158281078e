/// The content of a file, in memory.
final class Shadow {
    private var memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 8)
    private(set) var size = 0

    deinit {
        memory.deallocate()
    }

    /// Its bytes, until it changes.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[..<size]) }

    func write(_ new: UnsafeRawBufferPointer, at offset: Int64) {
        if size < Int(offset) + new.count { truncate(to: offset + Int64(new.count)) }
        UnsafeMutableRawBufferPointer(rebasing: memory[Int(offset)..<Int(offset) + new.count])
            .copyMemory(from: new)
    }

    func write(_ new: [UInt8], at offset: Int64) {
        new.withUnsafeBytes { write($0, at: offset) }
    }

    func truncate(to size: Int64) {
        if memory.count < Int(size) {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(size) * 2, alignment: 8)
            larger.copyMemory(from: bytes)
            memory.deallocate()
            memory = larger
        }
        if self.size < Int(size) {
            UnsafeMutableRawBufferPointer(rebasing: memory[self.size..<Int(size)])
                .initializeMemory(as: UInt8.self, repeating: 0)
        }
        self.size = Int(size)
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) -> Int {
        guard offset < Int64(size) else { return 0 }
        let count = min(buffer.count, size - Int(offset))
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[Int(offset)..<Int(offset) + count]))
        return count
    }
}
