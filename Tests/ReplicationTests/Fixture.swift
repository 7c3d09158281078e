import POSIX

/// Files that LiteFS 0.5.14 wrote.
enum Fixture {
    /// The folder `Tests/Fixtures/litefs-0.5.14`.
    static let directory =
        #filePath.split(separator: "/").dropLast(2).map { "/\($0)" }.joined() + "/Fixtures/litefs-0.5.14"

    /// The bytes of a file in it.
    static func contents(of path: String) throws -> [UInt8] {
        try Files.read(directory + "/" + path)
    }
}
