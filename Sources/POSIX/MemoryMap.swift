import Glibc

/// A part of a file mapped shared and writable.
///
/// Unmapped when the owner goes.
///
/// Page faults are I/O on the file: touch the memory only where I/O is allowed. The daemon never maps a file of its own
/// mount, because a fault there can wait for a thread that needs this process's address space unlocked.
public struct MemoryMap: ~Copyable, @unchecked Sendable {
    // SAFETY: the mapping is plain shared memory; whoever uses it concurrently uses atomic accesses, as SQLite does.

    /// First byte of the mapping.
    public let base: UnsafeMutableRawPointer
    /// Length in bytes.
    public let count: Int

    /// Maps `count` bytes at `offset` (a multiple of the system's page size) of an open file.
    public init(_ file: borrowing FileDescriptor, offset: Int64, count: Int) throws(Errno) {
        let address = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_SHARED, file.rawValue, off_t(offset))
        guard let address, address != MAP_FAILED else { throw Errno.last }
        base = address
        self.count = count
    }

    deinit {
        munmap(base, count)
    }
}
