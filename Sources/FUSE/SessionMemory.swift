import CShims
import Glibc
import POSIX
import Synchronization

// What a session must not lose when the process that serves it dies: a file of memory alone, which somebody else keeps open.
//
//     offset      0  header
//                 0   8  magic "LFSESS01"            8   8  next sequence number
//                16   8  next inode number          24   4  bytes of INIT
//                28   4  bytes of the description   64 448  the INIT request, as the kernel sent it
//               512 512  the unique numbers of the requests at hand, one word for each thread that takes requests; 0 is none
//              1024   …  the description: what the session is for
//     offset 64 KiB × n  a chunk: kind of its slots (4), size of a slot (4), then slots
//     a slot      0   8  sequence number; 0 is a free slot
//                 8   …  what the kind says
//
// Words are in the machine's order, because no other machine reads them. Invariant: whatever the moment of a death, each slot is
// whole or free. Its sequence number is written last and taken away first, each by one store.

/// The memory of a session that outlives its process.
///
/// Thread-safe.
public final class SessionMemory: @unchecked Sendable {
    // SAFETY: the header's words are written with atomic stores, or before other threads know of the memory; a slot belongs to
    // whoever took it.

    /// The file, for whoever keeps it open.
    public let file: FileDescriptor

    static let chunkSize = 1 << 16
    private static let magic: UInt64 = 0x3130_5353_4553_464c
    /// Threads whose requests are noted.
    static let threads = 64
    private static let requestsOffset = 512
    private static let initOffset = 64
    private static let longestInit = 448
    private static let descriptionOffset = 1024

    private let header: MemoryMap
    private let chunks: Mutex<[UnsafeMutableRawPointer]>

    /// A new memory for a session that is described by a text, of less than 60 KiB.
    public init(description: String) throws(Errno) {
        file = try .memory("litefs-session")
        try file.truncate(to: Int64(Self.chunkSize))
        header = try MemoryMap(file, offset: 0, count: Self.chunkSize)
        chunks = Mutex([])
        let bytes = Array(description.utf8.prefix(Self.chunkSize - Self.descriptionOffset))
        header.base.advanced(by: Self.descriptionOffset).copyMemory(from: bytes, byteCount: bytes.count)
        header.base.storeBytes(of: UInt32(bytes.count), toByteOffset: 28, as: UInt32.self)
        store(1, at: 8)
        store(Self.magic, at: 0)
    }

    /// The memory that an earlier process left.
    ///
    /// - Throws: `EINVAL` when it is none, or of another form.
    public init(continuing file: consuming FileDescriptor) throws(Errno) {
        let size = try file.status().size
        guard size >= Int64(Self.chunkSize), size % Int64(Self.chunkSize) == 0 else { throw .invalidArgument }
        header = try MemoryMap(file, offset: 0, count: Self.chunkSize)
        var found: [UnsafeMutableRawPointer] = []
        for index in 1..<max(1, Int(size) / Self.chunkSize) {
            found.append(try Self.map(file, index))
        }
        self.file = file
        chunks = Mutex(found)
        guard load(at: 0) == Self.magic else { throw .invalidArgument }
    }

    /// Chunks stay mapped as long as the process: a slot's address must hold.
    private static func map(
        _ file: borrowing FileDescriptor,
        _ index: Int
    ) throws(Errno) -> UnsafeMutableRawPointer {
        let address = mmap(
            nil,
            chunkSize,
            PROT_READ | PROT_WRITE,
            MAP_SHARED,
            file.rawValue,
            off_t(index * chunkSize)
        )
        guard let address, address != MAP_FAILED else { throw Errno.last }
        return address
    }

    private func store(_ value: UInt64, at offset: Int) {
        cshims_store_release_u64(header.base + offset, value)
    }

    private func load(at offset: Int) -> UInt64 { cshims_load_acquire_u64(header.base + offset) }

    // MARK: - Header

    /// What the session is for.
    public var description: String {
        let count = min(
            Int(header.base.load(fromByteOffset: 28, as: UInt32.self)),
            Self.chunkSize - Self.descriptionOffset
        )
        let bytes = UnsafeRawBufferPointer(start: header.base + Self.descriptionOffset, count: count)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The number for the next inode; 0 in a new memory.
    ///
    /// One thread at a time sets it.
    public var nextInode: UInt64 {
        get { load(at: 16) }
        set { store(newValue, at: 16) }
    }

    /// The INIT request of the kernel; empty before it came.
    var initRequest: [UInt8] {
        let count = min(Int(header.base.load(fromByteOffset: 24, as: UInt32.self)), Self.longestInit)
        return Array(UnsafeRawBufferPointer(start: header.base + Self.initOffset, count: count))
    }

    func keep(initRequest: UnsafeRawBufferPointer) {
        guard initRequest.count <= Self.longestInit, let base = initRequest.baseAddress else { return }
        header.base.advanced(by: Self.initOffset).copyMemory(from: base, byteCount: initRequest.count)
        header.base.storeBytes(of: UInt32(initRequest.count), toByteOffset: 24, as: UInt32.self)
    }

    /// The word in which a thread notes the request that it has at hand.
    func requestWord(ofThread number: Int) -> UnsafeMutableRawPointer {
        header.base + Self.requestsOffset + 8 * (number % Self.threads)
    }

    /// Takes the unique numbers of the requests that a process had at hand when it died.
    func takeRequests() -> [UInt64] {
        (0..<Self.threads)
            .compactMap { number in
                let word = requestWord(ofThread: number)
                let unique = cshims_load_acquire_u64(word)
                cshims_store_release_u64(word, 0)
                return unique == 0 ? nil : unique
            }
    }

    // MARK: - Slots

    /// A number that was never given before, in any process.
    fileprivate func nextSequence() -> UInt64 {
        // The caller holds the lock of a table; two tables may meet here.
        chunks.withLock { _ in
            let next = load(at: 8)
            store(next + 1, at: 8)
            return next
        }
    }

    fileprivate func addChunk(_ kind: UInt32, _ slotSize: Int) throws(Errno) -> UnsafeMutableRawPointer {
        let result = chunks.withLock { chunks -> Result<UnsafeMutableRawPointer, Errno> in
            Result { () throws(Errno) in
                let index = chunks.count + 1
                try file.truncate(to: Int64((index + 1) * Self.chunkSize))
                let chunk = try Self.map(file, index)
                chunk.storeBytes(of: UInt32(slotSize), toByteOffset: 4, as: UInt32.self)
                chunk.storeBytes(of: kind, as: UInt32.self)
                chunks.append(chunk)
                return chunk
            }
        }
        return try result.get()
    }

    fileprivate func chunks(of kind: UInt32, _ slotSize: Int) -> [UnsafeMutableRawPointer] {
        chunks.withLock { chunks in
            chunks.filter {
                $0.load(as: UInt32.self) == kind
                    && $0.load(fromByteOffset: 4, as: UInt32.self) == UInt32(slotSize)
            }
        }
    }
}

/// Slots of one kind in a session's memory.
///
/// Not thread-safe: the owner serialises. Where memory cannot be had, slots are not kept, and work goes on.
public struct SlotTable: ~Copyable, @unchecked Sendable {
    // SAFETY: pointers into the session's memory, which lives as long as `memory`; the owner serialises.

    /// One slot; its owner may write behind the first 8 bytes.
    public struct Slot: @unchecked Sendable {
        // SAFETY: see `SlotTable`.

        /// First byte.
        public let base: UnsafeMutableRawPointer

        /// The number that it got when it was published; 0 when it is free.
        public var sequence: UInt64 { cshims_load_acquire_u64(base) }

        /// Reads a word.
        public func word(at offset: Int) -> UInt64 { cshims_load_acquire_u64(base + offset) }

        /// Changes a word of a published slot.
        public func set(_ value: UInt64, at offset: Int) { cshims_store_release_u64(base + offset, value) }
    }

    private let memory: SessionMemory
    private let kind: UInt32
    private let slotSize: Int
    private var free: [UnsafeMutableRawPointer] = []
    private var published: [Slot] = []

    /// The slots of a kind.
    ///
    /// - Parameters:
    ///   - memory: where they are.
    ///   - kind: not 0.
    ///   - slotSize: in bytes, a multiple of 8.
    public init(_ memory: SessionMemory, kind: UInt32, slotSize: Int) {
        precondition(kind > 0 && slotSize >= 16 && slotSize % 8 == 0 && slotSize < SessionMemory.chunkSize)
        self.memory = memory
        self.kind = kind
        self.slotSize = slotSize
        for chunk in memory.chunks(of: kind, slotSize) { add(chunk) }
        published.sort { $0.sequence < $1.sequence }
    }

    private mutating func add(_ chunk: UnsafeMutableRawPointer) {
        var offset = 8
        while offset + slotSize <= SessionMemory.chunkSize {
            let slot = Slot(base: chunk + offset)
            if slot.sequence == 0 { free.append(slot.base) } else { published.append(slot) }
            offset += slotSize
        }
    }

    /// Takes the slots that an earlier process published, in the order in which it did.
    public mutating func takePublished() -> [Slot] {
        defer { published = [] }
        return published
    }

    /// Writes a slot and publishes it.
    ///
    /// - Parameter write: fills in what stands behind the first 8 bytes.
    /// - Returns: the slot; nil when there is no memory.
    public mutating func publish(_ write: (Slot) -> Void) -> Slot? {
        if free.isEmpty, let chunk = try? memory.addChunk(kind, slotSize) { add(chunk) }
        guard let base = free.popLast() else { return nil }
        let slot = Slot(base: base)
        write(slot)
        cshims_store_release_u64(base, memory.nextSequence())
        return slot
    }

    /// Gives a slot back.
    public mutating func release(_ slot: Slot) {
        cshims_store_release_u64(slot.base, 0)
        free.append(slot.base)
    }
}
