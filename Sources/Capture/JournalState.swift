import SQLiteFormat

/// Whether a rollback journal is in force, and which operation on it ends a transaction.
///
/// A journal is in force while it starts with its magic number (SQLite file format, section 3): SQLite writes the magic
/// before it writes the first page of the database file. A transaction ends when the journal is removed, truncated to
/// nothing, or its header is overwritten with zeros.
public struct JournalState: Sendable {
    /// Whether the journal starts with its magic number.
    public private(set) var isActive = false

    /// No journal.
    public init() {}

    /// A state that is known.
    public init(isActive: Bool) {
        self.isActive = isActive
    }

    /// The state of a journal that begins with `prefix`.
    public init(prefix: UnsafeRawBufferPointer) {
        isActive = JournalHeader.isActive(prefix: prefix)
    }

    /// Whether a write would end the transaction that the journal protects.
    public func wouldEnd(writing bytes: UnsafeRawBufferPointer, at offset: Int64) -> Bool {
        guard isActive, offset == 0, bytes.count >= 8 else { return false }
        return !JournalHeader.isActive(prefix: bytes)
    }

    /// Notes a write that was carried out.
    public mutating func wrote(_ bytes: UnsafeRawBufferPointer, at offset: Int64) {
        if offset == 0, bytes.count >= 8 { isActive = JournalHeader.isActive(prefix: bytes) }
    }

    /// Notes that the journal was removed or truncated to less than its magic number.
    public mutating func ended() {
        isActive = false
    }
}
