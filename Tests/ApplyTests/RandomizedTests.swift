import Glibc
import POSIX
import SQLiteFormat
import Testing

@testable import Apply

/// Random transactions, checkpoints, restarts of the daemon and readers, each compared page by page with the primary.
///
/// `APPLY_SEED=n` repeats a run.
@Suite struct RandomizedTests {
    /// A reader and, while it reads, what it must see.
    private struct Reader {
        let connection: Connection
        var snapshot: [UInt8]?
    }

    @Test func everyReaderSeesTheStateAtTheStartOfItsTransaction() throws {
        let given = getenv("APPLY_SEED").flatMap { UInt64(String(cString: $0)) }
        let seed = given ?? .random(in: 0 ... .max)
        print("APPLY_SEED=\(seed)")
        var random = SplitMix(state: seed)
        let folder = try TemporaryFolder()
        let primary = try Primary(folder, pageSize: [512, 1024, 4096].randomElement(using: &random) ?? 512)
        let replica = try Replica(folder, of: primary, synchronous: Bool.random(using: &random))
        var readers: [Reader] = []
        for step in 1...1000 {
            switch Int.random(in: 0..<100, using: &random) {
            case 0..<45:
                try write(primary, replica, &readers, &random)
            case 45..<60:
                _ = try replica.wal.checkpoint()
            case 60..<70:
                if readers.count < 8 { readers.append(Reader(connection: try Connection(replica.path))) }
            case 70..<75:
                if let place = readers.indices.randomElement(using: &random) {
                    readers.remove(at: place).connection.close()
                }
            case 75..<76:
                try replica.reopen(alive: true)
            default:
                if let place = readers.indices.randomElement(using: &random) {
                    try use(&readers[place], primary, Comment(rawValue: "seed \(seed), step \(step)"))
                }
            }
            if step % 20 == 0, replica.wal.frameCount > 0 {
                #expect(try replica.content().frames == replica.wal.frames, "seed \(seed), step \(step)")
            }
        }
        for reader in readers where reader.snapshot != nil { try reader.connection.run("COMMIT") }
        for reader in readers { #expect(try reader.connection.run("PRAGMA integrity_check") == ["ok"]) }
        #expect(try replica.wal.checkpoint().isComplete, "seed \(seed)")
        #expect(try replica.databaseFile() == primary.image, "seed \(seed)")
    }

    /// Applies a random transaction, often after a start that was given up.
    private func write(
        _ primary: Primary,
        _ replica: Replica,
        _ readers: inout [Reader],
        _ random: inout SplitMix
    ) throws {
        let transaction = try primary.transaction(sql(&random))
        if transaction.pages.isEmpty { return }
        if transaction.pageSize == primary.pageSize, Int.random(in: 0..<5, using: &random) == 0 {
            try? giveUp(transaction, replica, &random)
        }
        do {
            try replica.apply(transaction)
        } catch let error {
            guard case .pageSizeChangeMustWait = (error as? ApplyError)?.reason else { throw error }
            for place in readers.indices where readers[place].snapshot != nil {
                try readers[place].connection.run("COMMIT")
                readers[place].snapshot = nil
            }
            #expect(try replica.wal.checkpoint().isComplete)
            try replica.apply(transaction)
        }
    }

    private func giveUp(
        _ transaction: PageTransaction,
        _ replica: Replica,
        _ random: inout SplitMix
    ) throws {
        try replica.wal.begin(pageSize: transaction.pageSize)
        defer { replica.wal.abandon() }
        let count = Int.random(in: 0...transaction.pages.count, using: &random)
        for page in transaction.pages.prefix(count) {
            try page.bytes.withUnsafeBytes { try replica.wal.append(PageNumber(page.number), $0) }
        }
        if count > 0, Bool.random(using: &random) {
            _ = try replica.wal.writer.finish(pageCount: transaction.pageCount)
        }
    }

    private func sql(_ random: inout SplitMix) -> String {
        let id = Int.random(in: 1...60, using: &random)
        return switch Int.random(in: 0..<100, using: &random) {
        case 0..<60:
            "INSERT OR REPLACE INTO t VALUES(\(id), randomblob(\(Int.random(in: 1...6000, using: &random))))"
        case 60..<90: "DELETE FROM t WHERE id BETWEEN \(id) AND \(id + 3); UPDATE t SET b = b || 'x'"
        case 90..<93: "INSERT OR REPLACE INTO t VALUES(\(id), zeroblob(1500000))"
        case 93..<96: "DELETE FROM t WHERE length(b) > 6000; VACUUM"
        case 96..<98: "PRAGMA page_size=\(512 << Int.random(in: 0...4, using: &random)); VACUUM"
        default: "CREATE TABLE IF NOT EXISTS u\(id)(x); INSERT INTO u\(id) VALUES(1)"
        }
    }

    /// Starts a read transaction, or compares in one that is open, and maybe ends it.
    private func use(_ reader: inout Reader, _ primary: Primary, _ comment: Comment) throws {
        if let snapshot = reader.snapshot {
            #expect(try reader.connection.image() == snapshot, comment)
            try reader.connection.run("COMMIT")
            reader.snapshot = nil
        } else {
            try reader.connection.run("BEGIN; SELECT count(*) FROM t")
            reader.snapshot = primary.image
        }
    }
}

/// A generator of random numbers that one number determines.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
