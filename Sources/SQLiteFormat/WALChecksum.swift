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
        guard let start = bytes.baseAddress else { return }
        if bigEndianWords {
            add(start, bytes.count) { UInt32(bigEndian: $0) }
        } else {
            add(start, bytes.count) { UInt32(littleEndian: $0) }
        }
    }

    /// The order of bytes for which a word needs no change on this host.
    static var hostIsBigEndian: Bool {
        UInt32(bigEndian: 1) == 1
    }

    @inline(__always)
    private mutating func add(_ start: UnsafeRawPointer, _ count: Int, word: (UInt32) -> UInt32) {
        var sum1 = first
        var sum2 = second
        var next = start
        let end = start + count
        while next != end {
            sum1 &+= word(next.loadUnaligned(as: UInt32.self)) &+ sum2
            sum2 &+= word(next.loadUnaligned(fromByteOffset: 4, as: UInt32.self)) &+ sum1
            next += 8
        }
        first = sum1
        second = sum2
    }
}
