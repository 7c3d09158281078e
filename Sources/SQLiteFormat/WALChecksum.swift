import CChecksum

/// The running checksum of a write-ahead log.
///
/// Two 32-bit sums over pairs of words `a, b`: `first += a + second`, then `second += b + first`, both modulo
/// 2^32 (SQLite file format, section 4.2). The sums weigh words by Fibonacci numbers of their distance from the
/// end, so the order of bytes matters. The words are in the order that the log's magic number names, which is
/// independent of the order in which the sums themselves are stored.
public struct WALChecksum: Hashable, Sendable {
    /// The first sum.
    public var first: UInt32

    /// The second sum.
    public var second: UInt32

    /// Creates a checksum with given sums; a header's checksum starts with zeros.
    public init(first: UInt32 = 0, second: UInt32 = 0) {
        self.first = first
        self.second = second
    }

    /// Adds bytes.
    ///
    /// - Parameters:
    ///   - bytes: a multiple of 8 bytes, in memory of any alignment; another count is a programmer's mistake.
    ///   - bigEndianWords: whether the words are big-endian.
    public mutating func update(_ bytes: UnsafeRawBufferPointer, bigEndianWords: Bool) {
        precondition(bytes.count % 8 == 0, "a WAL checksum is over pairs of 32-bit words")
        var sums = (first, second)
        withUnsafeMutableBytes(of: &sums) { state in
            cchecksum_wal_checksum(
                state.assumingMemoryBound(to: UInt32.self).baseAddress,
                bytes.assumingMemoryBound(to: UInt8.self).baseAddress,
                bytes.count,
                bigEndianWords ? 1 : 0
            )
        }
        (first, second) = sums
    }

    /// The order of bytes for which a word needs no change on this host.
    static var hostIsBigEndian: Bool {
        UInt32(bigEndian: 1) == 1
    }
}
