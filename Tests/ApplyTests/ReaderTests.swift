import POSIX
import SQLiteFormat
import Testing

@testable import Apply

@Suite struct ReaderTests {
    let folder: TemporaryFolder
    let primary: Primary
    let replica: Replica
    /// The number of rows of each table.
    private let rows = 40

    init() throws {
        folder = try TemporaryFolder()
        primary = try Primary(folder)
        _ = try primary.transaction(
            """
            BEGIN;
            CREATE TABLE a(id INTEGER PRIMARY KEY, v, fill);
            CREATE TABLE b(id INTEGER PRIMARY KEY, v, fill);
            CREATE TABLE state(k);
            INSERT INTO state VALUES(0);
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < \(rows - 1))
            INSERT INTO a SELECT i, 0, randomblob(700) FROM n;
            INSERT INTO b SELECT id, 0, randomblob(900) FROM a;
            COMMIT;
            """
        )
        replica = try Replica(folder, of: primary)
    }

    /// Applies transaction `number`; every 50th one is followed by a checkpoint.
    private func apply(_ number: Int) throws {
        let transaction = try primary.transaction(
            """
            BEGIN;
            UPDATE a SET v = v + 1, fill = randomblob(700) WHERE id = \(number % rows);
            UPDATE b SET v = v + 1, fill = randomblob(900) WHERE id = \((number * 7) % rows);
            UPDATE state SET k = k + 1;
            COMMIT;
            """
        )
        try replica.apply(transaction)
        if number % 50 == 0 { _ = try replica.wal.checkpoint() }
    }

    /// One line: how far the tables are from the state, and the state.
    private static let look = """
        SELECT (SELECT sum(v) FROM a) - k, (SELECT sum(v) FROM b) - k, k FROM state;

        """

    /// Whether all lines are whole states, in the order in which they were committed.
    private func check(_ lines: [Substring], upTo last: Int) {
        var newest = 0
        for line in lines where line != "ok" {
            let parts = line.split(separator: "|")
            guard parts.count == 3, parts[0] == "0", parts[1] == "0", let state = Int(parts[2]),
                (newest...last).contains(state)
            else {
                Issue.record("after state \(newest): \(line)")
                return
            }
            newest = state
        }
    }

    @Test func readersWithoutPatienceNeverFailWhileTransactionsAreApplied() throws {
        let script = String(repeating: Self.look, count: 6000) + "PRAGMA integrity_check;"
        let readers = try (1...3)
            .map {
                try ReaderProcess(folder, name: "reader\($0)", database: replica.path, script: script)
            }
        for reader in readers {
            try reader.waitForOutput()
            try reader.stopAfterThisRun()
        }
        var count = 0
        while count < 3000 || !readers.allSatisfy(\.hasEnded) {
            count += 1
            try apply(count)
        }
        for reader in readers {
            let result = try reader.stop()
            #expect(result.exit == .code(0) && result.errors.isEmpty, "\(result.errors)")
            #expect(result.lines.count == 6001 && result.lines.last == "ok")
            check(result.lines, upTo: count)
        }
    }

    @Test func readersThatComeAndGoNeverFail() throws {
        // A reader that closes asks for the database alone for a moment, and one that opens then has to wait: so it
        // is between SQLite processes.
        let script =
            ".timeout 10000\n" + String(repeating: Self.look, count: 20) + "PRAGMA integrity_check;\n"
        let readers = try (1...3)
            .map {
                try ReaderProcess(folder, name: "reader\($0)", database: replica.path, script: script)
            }
        for reader in readers { try reader.waitForOutput() }
        for number in 1...3000 { try apply(number) }
        for reader in readers {
            let result = try reader.stop()
            #expect(result.exit == .code(0) && result.errors.isEmpty, "\(result.errors)")
            #expect(result.lines.contains("ok"))
            check(result.lines, upTo: 3000)
        }
        #expect(try sqlite(folder, replica.path, Self.look) == "0|0|3000\n")
    }

    @Test func aReaderInAnotherProcessKeepsItsSnapshotWhileOthersAdvance() throws {
        let script = """
            BEGIN;
            \(Self.look)
            .shell while [ -e slow.sql ] && [ ! -e go ]; do sleep 0.01; done
            \(Self.look)PRAGMA integrity_check;
            COMMIT;
            \(Self.look)
            """
        try apply(1)
        let reader = try ReaderProcess(folder, name: "slow", database: replica.path, script: script)
        try reader.waitForOutput()
        try reader.stopAfterThisRun()
        for number in 2...1000 { try apply(number) }
        guard case .readMark = try replica.wal.checkpoint().obstacle else {
            Issue.record("nothing held the checkpoint back")
            return
        }
        let frames = replica.wal.frameCount
        #expect(try sqlite(folder, replica.path, Self.look) == "0|0|1000\n")
        try folder.write("go", [])
        let result = try reader.stop()
        #expect(result.lines == ["0|0|1", "0|0|1", "ok", "0|0|1000"])
        #expect(result.errors.isEmpty)
        #expect(try replica.wal.checkpoint().isComplete)
        try apply(1001)
        #expect(replica.wal.frameCount < frames / 100)
        #expect(try sqlite(folder, replica.path, Self.look) == "0|0|1001\n")
    }
}
