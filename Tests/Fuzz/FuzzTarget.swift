/// Something that reads what others wrote, and what must hold whatever they wrote.
///
/// Shared by `litefs-fuzz`, where libFuzzer makes the inputs, and by `FuzzTests`, which replays the corpus and a number of
/// random inputs in every test run.
public struct FuzzTarget: Sendable {
    /// What `scripts/fuzz` calls it.
    public let name: String
    /// One line on what is read.
    public let summary: String
    /// Longest input in bytes that makes sense.
    public let maximumByteCount: Int
    /// Real inputs, made from files that SQLite and LiteFS wrote.
    public let seeds: @Sendable () throws -> [[UInt8]]
    /// Reads the input; throws a `Broken` when a property does not hold.
    public let check: @Sendable (UnsafeRawBufferPointer) throws -> Void

    init(
        _ name: String,
        summary: String,
        maximumByteCount: Int = 4096,
        seeds: @escaping @Sendable () throws -> [[UInt8]],
        check: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) {
        self.name = name
        self.summary = summary
        self.maximumByteCount = maximumByteCount
        self.seeds = seeds
        self.check = check
    }

    /// All of them, in the order in which they are run.
    public static let all: [FuzzTarget] = [
        .ltx, .stream, .positions, .comparison, .wal, .wal2, .capture, .journal, .walIndex, .databaseHeader,
        .checksums, .config,
        .json,
        .http, .texts, .clock,
    ]
}

/// A property that does not hold.
public struct Broken: Error, CustomStringConvertible {
    /// What does not hold.
    public let description: String

    init(_ description: String) { self.description = description }
}

/// Throws when a property does not hold.
func require(_ holds: Bool, _ property: @autoclosure () -> String) throws(Broken) {
    if !holds { throw Broken(property()) }
}
