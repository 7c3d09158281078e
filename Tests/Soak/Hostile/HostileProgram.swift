import Glibc
import Harness
import POSIX
import SQLiteFormat

/// A program that writes to the files of databases as no SQLite does.
struct HostileProgram {
    private let node: DaemonProcess
    private let round: Round

    init(_ node: DaemonProcess, _ round: Round) {
        self.node = node
        self.round = round
    }

    private static let names = [
        "victim.db", "victim.db-wal", "victim.db-journal", "victim.db-shm", "plain", "other.db",
    ]

    /// Does so many things; whether one is allowed does not matter, only that the node stands it.
    func run(steps: Int) throws {
        for _ in 0..<steps {
            let name = node.path(Self.names[number(below: Self.names.count)])
            let file = Glibc.open(name, O_RDWR | O_CREAT, 0o644)
            guard file >= 0 else { continue }
            defer { Glibc.close(file) }
            step(file, name)
            round.tally.add("hostile operations")
        }
    }

    private func step(_ file: Int32, _ name: String) {
        switch number(below: 12) {
        case 0, 1: write(file, databaseStart(), at: 0)
        case 2: write(file, log(), at: 0)
        case 3: write(file, JournalHeader.magic + noise(64), at: 0)
        case 4: write(file, noise(number(below: 9000)), at: extreme())
        case 5: ftruncate(file, extreme())
        case 6:
            var times = [timespec(tv_sec: extreme(), tv_nsec: 0), timespec(tv_sec: extreme(), tv_nsec: 0)]
            futimens(file, &times)
        case 7:
            // Nothing that the disk could really have.
            let length =
                number(below: 2) == 0 ? number(below: 100_000) : Int.max - number(below: 3)
            try? FileDescriptor.open(name, .readWrite)
                .allocate(mode: Int32(number(below: 3)), offset: Int64(extreme()), length: Int64(length))
        case 8:
            fsync(file)
            var buffer = [UInt8](repeating: 0, count: 4096)
            pread(file, &buffer, buffer.count, extreme())
        case 9: rename(name, node.path(Self.names[number(below: Self.names.count)]))
        case 10: unlink(name)
        default: ftruncate(file, number(below: 3) * 512)
        }
    }

    private func write(_ file: Int32, _ bytes: [UInt8], at offset: Int) {
        _ = pwrite(file, bytes, bytes.count, offset)
    }

    // MARK: - Content

    /// The start of a database that is as large as it likes to be.
    private func databaseStart() -> [UInt8] {
        var page = noise(512)
        page.replaceSubrange(0..<16, with: DatabaseHeader.magic)
        page.replaceSubrange(16..<20, with: [2, 0, UInt8(1 + number(below: 3)), UInt8(1 + number(below: 3))])
        page.replaceSubrange(28..<32, with: number(below: 2) == 0 ? [0xFF, 0xFF, 0xFF, 0xFE] : [0, 0, 0, 3])
        if number(below: 2) == 0 { page.replaceSubrange(92..<96, with: page[24..<28]) }
        return page
    }

    /// A log with sound checksums and pages that nobody needs.
    private func log() -> [UInt8] {
        guard let pageSize = PageSize(512) else { return [] }
        let header = WALHeader(
            pageSize: pageSize,
            checkpointSequence: 0,
            salt1: UInt32(number(below: 3)),
            salt2: 2
        )
        var chain = WALChain(startOf: header)
        var log = [UInt8](repeating: 0, count: WALHeader.size)
        log.withUnsafeMutableBytes { header.encode(into: $0) }
        var head = [UInt8](repeating: 0, count: WALFrameHeader.size)
        for _ in 0..<1 + number(below: 4) {
            let page = max(1, UInt32(truncatingIfNeeded: extreme()))
            let commit = number(below: 2) == 0 ? 0 : UInt32(truncatingIfNeeded: extreme())
            let data = databaseStart()
            data.withUnsafeBytes { data in
                head.withUnsafeMutableBytes {
                    chain.seal(page: PageNumber(page), commitSize: commit, data: data, into: $0)
                }
            }
            log += head + data
        }
        return log
    }

    private func noise(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: round.random.next()) }
    }

    private func number(below bound: Int) -> Int { Int(round.random.next() % UInt64(bound)) }

    /// An offset or size where arithmetic goes wrong.
    private func extreme() -> Int {
        let near = number(below: 4) - 2
        switch number(below: 4) {
        case 0: return number(below: 100_000)
        case 1: return (1 << number(below: 63)) &+ near
        case 2: return Int.max &+ near
        default: return (1 << 43) + near
        }
    }
}
