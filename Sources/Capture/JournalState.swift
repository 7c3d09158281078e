import SQLiteFormat

/// Whether a rollback journal is in force, and which operation on it ends a transaction.
///
/// A journal is in force while it starts with its magic number (SQLite file format, section 3): SQLite writes the magic
/// before it writes the first page of the database file. A transaction ends when the journal is removed, truncated to
/// nothing, or its header is overwritten with zeros.
public struct JournalState: Equatable, Sendable {
    /// The first 8 bytes of the journal in the order of memory; zeros where nothing was written.
    private var start: UInt64 = 0

    /// No journal.
    public init() {}

    /// A state that is known.
    public init(isActive: Bool) {
        guard isActive else { return }
        withUnsafeMutableBytes(of: &start) { $0.copyBytes(from: JournalHeader.magic) }
    }

    /// The state of a journal that begins with `prefix`.
    public init(prefix: UnsafeRawBufferPointer) {
        start = Self.start(start, after: prefix, at: 0)
    }

    /// Whether the journal starts with its magic number.
    public var isActive: Bool { Self.isActive(start) }

    /// Whether a write would end the transaction that the journal protects.
    public func wouldEnd(writing bytes: UnsafeRawBufferPointer, at offset: Int64) -> Bool {
        isActive && !Self.isActive(Self.start(start, after: bytes, at: offset))
    }

    /// Notes a write that was carried out.
    public mutating func wrote(_ bytes: UnsafeRawBufferPointer, at offset: Int64) {
        start = Self.start(start, after: bytes, at: offset)
    }

    /// Notes that the journal was removed or truncated to less than its magic number.
    public mutating func ended() {
        start = 0
    }

    private static func isActive(_ start: UInt64) -> Bool {
        withUnsafeBytes(of: start) { JournalHeader.isActive(prefix: $0) }
    }

    /// `start` with the part of a write that falls on it.
    private static func start(
        _ start: UInt64,
        after bytes: UnsafeRawBufferPointer,
        at offset: Int64
    ) -> UInt64 {
        guard (0..<8).contains(offset) else { return start }
        var result = start
        withUnsafeMutableBytes(of: &result) { result in
            let target = UnsafeMutableRawBufferPointer(rebasing: result[Int(offset)...])
            target.copyBytes(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(target.count)))
        }
        return result
    }
}
