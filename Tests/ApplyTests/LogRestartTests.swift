import POSIX
import SQLiteFormat
import Testing

@testable import Apply

/// A log that SQLite writes is copied back by the daemon.
///
/// SQLite's connections are those of this process: the files that `LogRestart` has open stay open to the end, because closing one
/// drops SQLite's locks.
@Suite final class LogRestartTests {
    let folder: TemporaryFolder
    let directory: FileDescriptor
    let writer: Connection
    let restart: LogRestart

    init() throws {
        folder = try TemporaryFolder()
        directory = try FileDescriptor.open(folder.path, [.directory])
        writer = try Connection(folder.file("a.db"))
        try writer.run("PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(b)")
        restart = try LogRestart(name: "a.db", directory: directory.rawValue)
    }

    private func insert(_ count: Int = 1) throws {
        for _ in 0..<count { try writer.run("INSERT INTO t VALUES(randomblob(9000))") }
    }

    private var logSize: Int64 { get throws { try Files.status(folder.file("a.db-wal")).size } }

    private func header() throws -> WALHeader {
        let bytes = Buffer(count: WALHeader.size)
        _ = try FileDescriptor.open(folder.file("a.db-wal"), .readOnly).read(into: bytes.bytes, at: 0)
        return try WALHeader(UnsafeRawBufferPointer(bytes.bytes))
    }

    @Test(arguments: [true, false])
    func theNextWriterBeginsTheLogAnew(stopsWriters: Bool) throws {
        try insert(500)
        let (size, first) = (try logSize, try header())
        let image = try writer.image()
        let result = try restart.run(stopsWriters: stopsWriters)
        #expect(result.isComplete && result.obstacle == nil && result.frames > 1000)
        // The database file alone has all.
        #expect(try Files.read(folder.file("a.db"), limit: 1 << 30) == image)
        try insert()
        let second = try header()
        #expect(second.salt1 != first.salt1)
        #expect(try logSize == size)
        #expect(try writer.run("PRAGMA wal_checkpoint")[0] == "0")
        #expect(
            try sqlite(folder, folder.file("a.db"), "SELECT count(*) FROM t; PRAGMA integrity_check;")
                == "501\nok\n"
        )
    }

    @Test func aReaderKeepsWhatItSees() throws {
        try insert(10)
        let reader = try Connection(folder.file("a.db"))
        try reader.run("BEGIN; SELECT count(*) FROM t")
        let seen = try reader.image()
        try insert(500)
        let held = try restart.run(stopsWriters: true)
        guard case .readMark = held.obstacle else {
            Issue.record("held back by \(String(describing: held.obstacle))")
            return
        }
        #expect(!held.isComplete)
        try insert(500)
        #expect(try reader.run("SELECT count(*) FROM t") == ["10"])
        #expect(try reader.image() == seen)
        try reader.run("COMMIT")
        #expect(try restart.run(stopsWriters: true).isComplete)
        #expect(try reader.run("SELECT count(*) FROM t; PRAGMA integrity_check") == ["1010", "ok"])
    }

    @Test func aWriterInATransactionIsNotStopped() throws {
        try insert(100)
        try writer.run("BEGIN IMMEDIATE; INSERT INTO t VALUES(randomblob(9000))")
        let result = try restart.run(stopsWriters: true)
        #expect(result.obstacle != nil)
        // It has its locks as before, and nobody else has any.
        try writer.run("INSERT INTO t VALUES(randomblob(9000)); COMMIT")
        #expect(try restart.run(stopsWriters: true).isComplete)
        #expect(try writer.run("SELECT count(*) FROM t; PRAGMA integrity_check") == ["102", "ok"])
    }

    @Test func aDatabaseThatShrankIsCut() throws {
        try insert(300)
        try writer.run("PRAGMA wal_checkpoint(TRUNCATE)")
        let large = try Files.status(folder.file("a.db")).size
        try writer.run("DELETE FROM t; VACUUM")
        #expect(try restart.run(stopsWriters: true).isComplete)
        #expect(try Files.status(folder.file("a.db")).size < large / 10)
        #expect(try writer.run("PRAGMA integrity_check") == ["ok"])
    }

    @Test func itIsNotTakenForACheckpointOfAnEmptyLog() throws {
        try writer.run("PRAGMA wal_checkpoint(TRUNCATE)")
        let result = try restart.run(stopsWriters: true)
        #expect(result.isComplete && result.pagesWritten == 0)
        try insert()
        #expect(try sqlite(folder, folder.file("a.db"), "SELECT count(*) FROM t;") == "1\n")
    }
}
