import LTX
import Logging
import Metrics
import POSIX
import SQLiteFormat
import Testing

@testable import Store

/// A node whose lease can move: what it may acknowledge, and what it may not (L1, L3).
@Suite struct PermitTests {
    @Test func aPermitHoldsUntilItsEnd() {
        let permit = WritePermit()
        #expect(!permit.holds && permit.remaining == nil)
        permit.extend(to: .now + .milliseconds(50))
        #expect(permit.holds && permit.remaining.map { $0 > .zero } == true)
        pause(.milliseconds(60))
        #expect(!permit.holds && permit.remaining.map { $0 < .zero } == true)
        permit.extend(to: .now + .seconds(60))
        permit.end()
        #expect(!permit.holds)
        permit.extend(to: .now + .seconds(60))
        #expect(permit.holds)
        #expect(WritePermit.forEver.holds)
    }

    /// A renewal that was under way when the lease was given up changes nothing.
    @Test func aClosedPermitIsNotExtended() {
        let permit = WritePermit()
        permit.extend(to: .now + .seconds(60))
        permit.close()
        permit.extend(to: .now + .seconds(60))
        permit.end()
        permit.extend(to: .now + .seconds(60))
        #expect(!permit.holds && permit.remaining == nil)
    }

    /// A database with two versions of its content, of one size.
    private struct Contents {
        let old: [UInt8]
        let new: [UInt8]

        init(_ folder: DataFolder) throws {
            try folder.edit("one", "CREATE TABLE t(x); INSERT INTO t VALUES(1)")
            old = try Files.read(folder.path + "/dbs/one/database", limit: 1 << 20)
            try folder.edit("one", "UPDATE t SET x = 2")
            new = try Files.read(folder.path + "/dbs/one/database", limit: 1 << 20)
            try Files.removeTree(folder.path + "/dbs/one")
        }
    }

    private func store(_ folder: DataFolder, _ permit: WritePermit) throws -> Store {
        let log = folder.log
        return try Store(
            options: StoreOptions(
                dataDirectory: folder.path,
                isPrimary: true,
                permit: permit,
                roleMayChange: true
            ),
            logger: Logger(level: .debug, sink: { log.append(String(decoding: $0, as: UTF8.self)) }),
            registry: MetricsRegistry()
        )
    }

    private func write(_ database: Database, _ kind: DatabaseFileKind, _ bytes: [UInt8]) throws(Errno) {
        guard let file = database.file(kind) else { throw .noEntry }
        let result = bytes.withUnsafeBytes { bytes in
            Result { () throws(Errno) in try database.write(kind, file, bytes, at: 0, isOwn: false) }
        }
        try result.get()
    }

    /// What SQLite does at the beginning of a transaction with a rollback journal.
    private func beginJournal(_ database: Database) throws(Errno) {
        _ = try database.create(.journal, mode: 0o644, isOwn: false)
        try write(
            database,
            .journal,
            [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7] + Array(repeating: 0, count: 504)
        )
    }

    /// A transaction with a rollback journal, from its beginning to its end.
    private func commit(_ content: [UInt8], to database: Database) throws(Errno) {
        try beginJournal(database)
        try write(database, .database, content)
        try database.unlink(.journal, isOwn: false)
    }

    /// A database of this content.
    private func make(_ content: [UInt8], in store: Store) throws -> Database {
        let database = try store.databaseOrNew(try DatabaseName("one"))
        _ = try database.create(.database, mode: 0o644, isOwn: false)
        try commit(content, to: database)
        return database
    }

    /// A database after three transactions, and the position after each of them.
    private func makeThree(_ contents: Contents, in store: Store) throws -> (Database, [Position]) {
        let database = try make(contents.old, in: store)
        var positions = [database.summary.position]
        for content in [contents.new, contents.old] {
            try commit(content, to: database)
            positions.append(database.summary.position)
        }
        return (database, positions)
    }

    @Test func aJournalThatProtectsAChangeDoesNotEndWithoutAPermit() throws {
        let folder = try DataFolder()
        let contents = try Contents(folder)
        let permit = WritePermit()
        permit.extend(to: .now + .seconds(60))
        let store = try store(folder, permit)
        defer { store.close() }
        let database = try make(contents.old, in: store)
        let first = database.summary.position
        #expect(first.txid == TXID(1))

        try beginJournal(database)
        try write(database, .database, contents.new)
        permit.end()
        #expect(throws: Errno.readOnlyFileSystem) { try database.unlink(.journal, isOwn: false) }
        let journal = try #require(database.file(.journal))
        #expect(throws: Errno.readOnlyFileSystem) {
            try database.truncate(.journal, journal, to: 0, isOwn: false)
        }
        #expect(throws: Errno.readOnlyFileSystem) {
            try write(database, .journal, Array(repeating: 0, count: 28))
        }
        #expect(database.summary.position == first)

        // L3: the way back is open.
        try write(database, .database, contents.old)
        try database.unlink(.journal, isOwn: false)
        #expect(database.summary.position == first)

        // Nothing begins, not even without a journal.
        #expect(throws: Errno.readOnlyFileSystem) { try beginJournal(database) }
        try database.unlink(.journal, isOwn: false)
        #expect(throws: Errno.readOnlyFileSystem) { try write(database, .database, contents.new) }
        #expect(throws: Errno.readOnlyFileSystem) { try database.drop() }
        #expect(database.summary.position == first)
        // A rollback that no journal on disk tells of writes what was there.
        try write(database, .database, Array(contents.old[..<4096]))
        #expect(try Files.read(database.path(.database), limit: 1 << 20) == contents.old)

        permit.extend(to: .now + .seconds(60))
        try commit(contents.new, to: database)
        #expect(database.summary.position.txid == TXID(2))
    }

    @Test func aLogIsNotWrittenWithoutAPermit() throws {
        let folder = try DataFolder()
        let contents = try Contents(folder)
        let permit = WritePermit()
        permit.extend(to: .now + .seconds(60))
        let store = try store(folder, permit)
        defer { store.close() }
        let database = try make(contents.old, in: store)
        _ = try database.create(.wal, mode: 0o644, isOwn: false)
        permit.end()
        #expect(throws: Errno.readOnlyFileSystem) {
            try write(database, .wal, Array(repeating: 1, count: 32))
        }
        #expect(try database.file(.wal)?.size() == 0)
    }

    @Test func aStaticLeaseAsksForNothing() throws {
        let folder = try DataFolder()
        let contents = try Contents(folder)
        try folder.session { store in
            let database = try make(contents.old, in: store)
            #expect(database.summary.position.txid == TXID(1))
        }
        #expect(!Files.exists(folder.path + "/primary-runs"))
    }

    // MARK: - L6

    @Test func remembersItsRunsAsThePrimary() throws {
        let folder = try DataFolder()
        #expect(!PrimaryRuns.hasLeftContent(in: folder.path))
        for nodeID in [1, 0xFFFF_FFFF_FFFF_FFFF] as [UInt64] {
            try PrimaryRuns.begin(nodeID, in: folder.path, isListed: true)
        }
        #expect(PrimaryRuns.nodeIDs(in: folder.path) == [1, 0xFFFF_FFFF_FFFF_FFFF])
        #expect(PrimaryRuns.hasLeftContent(in: folder.path))
        try PrimaryRuns.recovered(in: folder.path)
        #expect(!PrimaryRuns.hasLeftContent(in: folder.path))
        #expect(PrimaryRuns.nodeIDs(in: folder.path).count == 2)
    }

    @Test func knowsWhichPositionsWereItsOwn() throws {
        let folder = try DataFolder()
        let contents = try Contents(folder)
        try folder.session { store in
            let (database, positions) = try makeThree(contents, in: store)
            #expect(database.recentPositions(2) == Array(positions.reversed().prefix(2)))
            #expect(database.recentPositions(100).count == 3)
            for position in positions { #expect(database.log.knows(position), "\(position)") }
            var other = positions[1]
            other.postApply = positions[0].postApply
            #expect(!database.log.knows(other))
            other.txid = TXID(9)
            #expect(!database.log.knows(other))
        }
    }

    /// L5: a log that does not go back so far is trusted if a primary sent it, and is not if this node made it.
    @Test func whatTheLogDoesNotSayIsTrustedIfItCameFromAPrimary() throws {
        let folder = try DataFolder()
        let contents = try Contents(folder)
        try folder.session { store in
            let (database, positions) = try makeThree(contents, in: store)
            let log = database.log
            var other = positions[0]
            other.postApply = positions[1].postApply
            for madeHere in [[], [store.nodeID]] as [Set<UInt64>] {
                #expect(log.hasBeen(at: positions[0], madeHere: madeHere))
                #expect(!log.hasBeen(at: other, madeHere: madeHere))
            }
            // As after a difference: it begins with the last transaction.
            for file in log.files.dropLast() { try log.remove(file.name) }
            #expect(log.hasBeen(at: positions[1], madeHere: [store.nodeID]))
            #expect(log.hasBeen(at: positions[0], madeHere: []))
            #expect(!log.hasBeen(at: positions[0], madeHere: [store.nodeID]))
            other.txid = TXID(9)
            #expect(!log.hasBeen(at: other, madeHere: []))
        }
    }
}
