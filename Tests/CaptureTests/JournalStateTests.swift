import Capture
import SQLiteFormat
import Testing

struct JournalStateTests {
    @Test
    func `A journal is in force from its magic to its end`() {
        var state = JournalState()
        write([UInt8](repeating: 0, count: 512), at: 0, &state)
        #expect(!state.isActive)
        #expect(!wouldEnd([UInt8](repeating: 0, count: 28), at: 0, state))
        write([1, 2, 3], at: 512, &state)
        write(JournalHeader.magic + [0, 0, 0, 7], at: 0, &state)
        #expect(state.isActive)
        #expect(!wouldEnd(JournalHeader.magic, at: 0, state))
        #expect(!wouldEnd([0, 0, 0, 0], at: 8, state))
        #expect(wouldEnd([UInt8](repeating: 0, count: 28), at: 0, state))
        state.ended()
        #expect(state == JournalState())
    }

    @Test
    func `Pieces of the magic count as they arrive, and one changed byte of it ends the journal`() {
        var state = JournalState()
        for (offset, byte) in JournalHeader.magic.enumerated() {
            #expect(!state.isActive)
            write([byte], at: Int64(offset), &state)
        }
        #expect(state.isActive)
        for offset in 0..<8 {
            #expect(wouldEnd([0], at: Int64(offset), state))
            var changed = state
            write([0], at: Int64(offset), &changed)
            #expect(!changed.isActive)
        }
        #expect(!wouldEnd([], at: 0, state))
        #expect(!wouldEnd([0], at: .max, state))
        #expect(!wouldEnd([0], at: -1, state))
    }

    @Test
    func `The state of a journal that is there comes from its first bytes`() {
        for count in 0...8 {
            let state = JournalHeader.magic[..<count].withUnsafeBytes { JournalState(prefix: $0) }
            #expect(state.isActive == (count == 8))
        }
    }

    @Test(arguments: ["delete", "truncate", "persist"], ["OFF", "FULL"])
    func `Each commit gives one difference, and a rollback none`(mode: String, sync: String) throws {
        let primary = try Primary(pageSize: 1024, setup: "PRAGMA journal_mode=\(mode)")
        let connection = try primary.connect()
        try connection.run("PRAGMA journal_mode=\(mode); PRAGMA synchronous=\(sync); PRAGMA cache_size=5")
        #expect(primary.follower.journalCommits == 1)
        for round in 0..<10 {
            let before = primary.follower.journalCommits
            try connection.run(WALScenarioTests.insert(40, bytes: 500))
            #expect(primary.follower.journalCommits == before + 1)
            try primary.verify("inserted \(round)")
            let checksum = primary.follower.table.databaseChecksum
            // Spills to the database file, and is rolled back there.
            try connection.run("BEGIN; UPDATE t SET c = -c, b = zeroblob(400); ROLLBACK")
            #expect(primary.follower.journalCommits == before + 1)
            #expect(primary.follower.table.databaseChecksum == checksum)
            try primary.verify("rolled back \(round)")
        }
        #expect(primary.follower.seen[.unchangedJournal, default: 0] >= 10)
    }

    @Test(arguments: ["delete", "truncate", "persist"])
    func `Growth with unwritten pages, and shrinking after the commit, are seen`(mode: String) throws {
        let setup = "PRAGMA auto_vacuum=FULL; PRAGMA journal_mode=\(mode)"
        let primary = try Primary(pageSize: 1024, setup: setup)
        let connection = try primary.connect()
        try connection.run("PRAGMA journal_mode=\(mode); PRAGMA cache_size=1000")
        for round in 0..<10 {
            try connection.run(
                "BEGIN; CREATE TABLE u(b); INSERT INTO u VALUES (zeroblob(40000)); DROP TABLE u; COMMIT"
            )
            try primary.verify("gap \(round)")
            try connection.run(WALScenarioTests.insert(30, bytes: 2000))
            try primary.verify("grown \(round)")
            try connection.run("DELETE FROM t WHERE a % 3 > 0")
            try primary.verify("shrunk \(round)")
        }
        try connection.run("VACUUM")
        try primary.verify("vacuum")
    }

    private func write(_ bytes: [UInt8], at offset: Int64, _ state: inout JournalState) {
        bytes.withUnsafeBytes { state.wrote($0, at: offset) }
    }

    private func wouldEnd(_ bytes: [UInt8], at offset: Int64, _ state: JournalState) -> Bool {
        bytes.withUnsafeBytes { state.wouldEnd(writing: $0, at: offset) }
    }
}
