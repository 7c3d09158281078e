import POSIX
import SQLiteFormat
import Testing

@testable import Apply

@Suite struct CrashTests {
    let primary: Primary
    let start: [UInt8]
    /// Transactions with the database after each.
    let history: [(transaction: PageTransaction, image: [UInt8])]

    init() throws {
        primary = try Primary(try TemporaryFolder())
        start = primary.image
        var history: [(transaction: PageTransaction, image: [UInt8])] = []
        for bytes in [9000, 20_000, 2_500_000, 100, 30_000, 5000, 1_200_000, 70_000, 10] {
            let transaction = try primary.transaction("INSERT INTO t(b) VALUES(randomblob(\(bytes)))")
            history.append((transaction, primary.image))
        }
        let last = try primary.transaction("DELETE FROM t WHERE id < 8; VACUUM")
        history.append((last, primary.image))
        self.history = history
    }

    /// Applies all, with a checkpoint after every third transaction, until a call fails.
    ///
    /// Returns the number of commits.
    private func run(_ replica: Replica) -> Int {
        var commits = 0
        do {
            for step in history {
                try replica.apply(step.transaction)
                commits += 1
                if commits % 3 == 0 { _ = try replica.wal.checkpoint() }
            }
        } catch {
            return commits
        }
        return commits
    }

    /// Makes all calls fail from the nth one on that changes a file; returns whether that was reached.
    private func crash(_ replica: Replica, atCall nth: Int) -> () -> Bool {
        var count = 0
        for file in [replica.wal.database, replica.wal.log, replica.wal.shared.file] {
            file.fault = { call in
                count += call == .write || call == .truncate || count >= nth ? 1 : 0
                return count >= nth ? .io : nil
            }
        }
        return { count >= nth }
    }

    @Test func aDaemonThatDiesAtAnyWriteLeavesAWholeState() throws {
        let images = [start] + history.map(\.image)
        var call = 1
        var reached = true
        while reached {
            let folder = try TemporaryFolder()
            let replica = try Replica(folder, startingWith: start, synchronous: false)
            let didCrash = crash(replica, atCall: call)
            let commits = run(replica)
            reached = didCrash()
            let other = try TemporaryFolder()
            try other.write("copy.db", try Files.read(replica.path))
            try other.write("copy.db-wal", try Files.read(replica.path + "-wal"))
            let found = try Connection(other.file("copy.db")).image()
            let isWhole =
                found == images[commits] || (commits + 1 < images.count && found == images[commits + 1])
            #expect(isWhole, "after call \(call), commit \(commits)")
            call += 1
        }
        #expect(call > 25)
    }
}
