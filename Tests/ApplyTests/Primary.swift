import Glibc
import POSIX
import SQLiteFormat

/// The pages that one transaction changed, as a replica gets them.
struct PageTransaction {
    let pageSize: PageSize
    let pageCount: UInt32
    /// Page numbers with content, ascending.
    let pages: [(number: UInt32, bytes: [UInt8])]
}

/// A database that SQLite writes, of which each transaction can be captured.
///
/// It keeps no journal on disk, so its file is the state after the last commit.
final class Primary {
    let connection: Connection

    /// The whole database after the last captured transaction, with the version bytes of a replica.
    private(set) var image: [UInt8] = []

    private let file: FileDescriptor
    private let path: String

    init(_ folder: TemporaryFolder, pageSize: Int = 4096) throws {
        path = folder.file("primary.db")
        connection = try Connection(path)
        try connection.run("PRAGMA page_size=\(pageSize); PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF")
        try connection.run("CREATE TABLE t(id INTEGER PRIMARY KEY, b)")
        file = try FileDescriptor.open(path, .readOnly)
        image = try load()
    }

    var pageSize: PageSize { size(of: image) }

    /// Runs statements that commit once, and gives the pages that changed.
    func transaction(_ sql: String) throws -> PageTransaction {
        try connection.run(sql)
        let old = image
        image = try load()
        let pageSize = pageSize
        let sameSize = size(of: old) == pageSize
        var pages: [(number: UInt32, bytes: [UInt8])] = []
        for (number, start) in stride(from: 0, to: image.count, by: pageSize.bytes).enumerated() {
            let end = start + pageSize.bytes
            let isSame = sameSize && end <= old.count && equal(old, image, start, pageSize.bytes)
            if !isSame { pages.append((UInt32(number + 1), Array(image[start..<end]))) }
        }
        return PageTransaction(
            pageSize: pageSize,
            pageCount: UInt32(image.count / pageSize.bytes),
            pages: pages
        )
    }

    private func size(of image: [UInt8]) -> PageSize {
        let header = image.withUnsafeBytes { try? DatabaseHeader($0) }
        guard let header else { preconditionFailure("the primary is no database") }
        return header.pageSize
    }

    /// Whether two arrays, which are long enough, have the same bytes at a place.
    private func equal(_ left: [UInt8], _ right: [UInt8], _ start: Int, _ count: Int) -> Bool {
        left.withUnsafeBytes { left in
            right.withUnsafeBytes { right in
                guard let left = left.baseAddress, let right = right.baseAddress else { return false }
                return memcmp(left + start, right + start, count) == 0
            }
        }
    }

    private func load() throws -> [UInt8] {
        let size = Int(try file.status().size)
        var bytes: [UInt8] = Array(repeating: 0, count: size)
        let count = try bytes.withUnsafeMutableBytes { try file.read(into: $0, at: 0) }
        precondition(count == size, "the primary's file changed while it was read")
        bytes[DatabaseHeader.writeVersionOffset] = JournalMode.wal.versionByte
        bytes[DatabaseHeader.readVersionOffset] = JournalMode.wal.versionByte
        return bytes
    }
}
