import Glibc

/// Uninitialised memory of a fixed size, aligned to the system's page size, freed when the owner goes.
public struct Buffer: ~Copyable, @unchecked Sendable {
    // SAFETY: plain memory with one owner; whoever shares it orders the accesses.

    /// All of its bytes.
    public let bytes: UnsafeMutableRawBufferPointer

    /// Allocates `count` bytes.
    public init(count: Int) {
        bytes = .allocate(byteCount: count, alignment: 4096)
    }

    deinit {
        bytes.deallocate()
    }
}
