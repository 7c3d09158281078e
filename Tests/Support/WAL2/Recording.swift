import JSON
import POSIX

/// What SQLite's wal2 branch left on the disk after each of a few transactions: `Tests/Fixtures/wal2/NAME`.
public struct WAL2Recording: Sendable {
    /// The files after one transaction.
    public struct Step: Sendable {
        /// Number of the step.
        public var number: Int
        /// What the transaction did; `rollback` for one that was given up.
        public var kind: String
        /// The first 16 digits of the SHA-256 of each committed page.
        public var pages: [String]
        /// Database, `-wal`, `-wal2`, `-shm`.
        public var database, wal, wal2, shm: [UInt8]
    }

    /// The steps, in order.
    public let steps: [Step]
    /// The size of the pages in bytes.
    public let pageSize: Int

    /// Reads a recording: `small` or `spill`.
    public init(_ name: String) throws {
        let folder =
            #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined() + "/Fixtures/wal2/" + name
        let expected = try JSONValue.parse(Files.read(folder + "/expected.json"))
        pageSize = Int(expected["page_size"]?.integer ?? 0)
        var descriptions: [(kind: String, pages: [String])] = []
        for step in expected["steps"]?.elements ?? [] {
            let pages = (step["pages"]?.elements ?? []).compactMap(\.string)
            descriptions.append((step["kind"]?.string ?? "", pages))
        }
        steps = try descriptions.enumerated()
            .map { number, step in
                let files = folder + "/" + (number < 10 ? "0" : "") + "\(number)/x.db"
                return Step(
                    number: number,
                    kind: step.kind,
                    pages: step.pages,
                    database: try Files.read(files),
                    wal: try Files.read(files + "-wal"),
                    wal2: try Files.read(files + "-wal2"),
                    shm: try Files.read(files + "-shm")
                )
            }
    }
}
