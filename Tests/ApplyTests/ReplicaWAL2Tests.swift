import POSIX
import SQLiteFormat
import Testing
import WAL2

@testable import Apply

@Suite struct ReplicaWAL2Tests {
    let folder: TemporaryFolder
    let replica: WAL2Replica

    init() throws {
        folder = try TemporaryFolder()
        replica = try WAL2Replica(folder)
    }

    private func insert(_ bytes: Int) -> String { "INSERT INTO t(v) VALUES(randomblob(\(bytes)))" }

    @Test
    func `Readers see each transaction while the log goes on in one file after the other`() throws {
        let reader = try WAL2Connection(replica.path)
        var files: [WALFile] = []
        for number in 1...60 {
            try replica.apply(insert(number % 7 == 0 ? 200_000 : 40_000))
            let image = try reader.image()
            #expect(image == replica.shadow.image, "transaction \(number)")
            if files.last != replica.wal.file { files.append(replica.wal.file) }
            if number % 3 == 0 { try replica.apply("DELETE FROM t WHERE id % 4 = \(number % 4)") }
            _ = try replica.wal.checkpoint()
        }
        #expect(files.count > 4, "\(files)")
        #expect(try reader.image() == replica.shadow.image)
        #expect(try WAL2Shadow.integrity(of: reader.image(), at: folder.file("check.db")) == "ok")
        // Somebody who builds the index again finds the same.
        #expect(try replica.content().frames == replica.wal.committed)
    }

    /// A program that may open the log for writing, and whose write is then refused, has it go on in the other file in the index.
    @Test
    func `What a program had go on in the other file does not count as copied`() throws {
        while replica.wal.committed[replica.wal.file.other].isEmpty
            || replica.wal.committed[replica.wal.file].isEmpty
        {
            try replica.apply(insert(60_000))
        }
        let directory = try FileDescriptor.open(folder.path, [.directory])
        let files = try HeldFiles(name: "replica.db", isWAL2: true, directory: directory.rawValue)
        defer { files.close() }
        let program = try IndexFile(files.index, frames: 1)
        try program.reload()
        var begun = try #require(program.index.readHeader())
        begun.file = begun.file.other
        begun[begun.file] = 0
        begun.salt1 &+= 1
        try program.setBackfilled(0)
        try program.publish(begun)
        _ = try replica.wal.checkpoint()
        try program.reload()
        #expect(program.index.backfilled == 0)
        for _ in 1...20 {
            try replica.apply(insert(60_000))
            _ = try replica.wal.checkpoint()
        }
        #expect(try WAL2Connection(replica.path).image() == replica.shadow.image)
    }

    @Test
    func `A reader keeps what it saw, and delays nothing`() throws {
        let (old, fresh) = (try WAL2Connection(replica.path), try WAL2Connection(replica.path))
        try replica.apply(insert(100_000))
        try old.beginRead()
        let before = replica.shadow.image
        for _ in 1...40 {
            try replica.apply(insert(60_000))
            #expect(try fresh.image() == replica.shadow.image)
            _ = try replica.wal.checkpoint()
        }
        var seen: [UInt8] = []
        for page in 1...old.pageCount { seen += try old.page(page) }
        #expect(seen == before)
        // It kept the log in the two files in which it was.
        #expect(replica.wal.walBytes > 40 * 60_000)
        old.endRead()
        let bytes = replica.wal.walBytes
        for _ in 1...4 {
            try replica.apply(insert(600_000))
            _ = try replica.wal.checkpoint()
        }
        #expect(replica.wal.walBytes < bytes + 4 * 700_000)
        #expect(try fresh.image() == replica.shadow.image)
    }

    @Test
    func `A daemon that was killed goes on where the log ends, in whatever file`() throws {
        let reader = try WAL2Connection(replica.path)
        for number in 1...30 {
            try replica.apply(insert(90_000))
            if number % 2 == 0 { _ = try replica.wal.checkpoint() }
            try replica.reopen()
            #expect(try reader.image() == replica.shadow.image, "transaction \(number)")
        }
    }

    @Test(arguments: [0, 48, 60, 200, 16_400, 32_768, 40_000])
    func `A damaged wal-index is built again beside readers`(offset: Int) throws {
        let reader = try WAL2Connection(replica.path)
        for _ in 1...12 {
            try replica.apply(insert(90_000))
            _ = try replica.wal.checkpoint()
        }
        #expect(try reader.image() == replica.shadow.image)
        let shm = try FileDescriptor.open(replica.path + "-shm", .readWrite)
        try shm.write([0xff, 0xff, 0xff], at: Int64(offset))
        try replica.reopen()
        #expect(try reader.image() == replica.shadow.image)
        try replica.apply(insert(90_000))
        #expect(try reader.image() == replica.shadow.image)
    }

    @Test(arguments: [0, 1], 1...14)
    func `A write that fails loses only its transaction`(log: Int, nth: Int) throws {
        let reader = try WAL2Connection(replica.path)
        for _ in 1...8 {
            try replica.apply(insert(120_000))
            _ = try replica.wal.checkpoint()
        }
        let files = [replica.wal.logs[log], replica.wal.shared.file]
        for file in files {
            let before = replica.shadow.image
            let change = try replica.shadow.change(insert(700_000))
            var count = 0
            file.fault = { call in
                guard call == .write else { return nil }
                count += 1
                return count == nth ? .noSpace : nil
            }
            do {
                try replica.apply(change)
            } catch {
                #expect(error is ApplyError)
                #expect(try reader.image() == before)
                file.fault = nil
                try replica.apply(change)
            }
            file.fault = nil
            #expect(try reader.image() == replica.shadow.image)
            _ = try replica.wal.checkpoint()
        }
    }

    @Test
    func `The database file has nothing before the log that it comes from is on disk`() throws {
        for _ in 1...3 { try replica.apply(insert(400_000)) }
        try replica.apply(insert(100_000))
        let other = Int(replica.wal.file.other.rawValue)
        replica.wal.logs[other].fault = { $0 == .synchronize ? .io : nil }
        #expect(throws: ApplyError.self) { try replica.wal.checkpoint() }
        #expect(replica.wal.unsynchronized == replica.wal.file.other)
        replica.wal.logs[other].fault = nil
        // The next sync would succeed without what could not be written.
        #expect(throws: ApplyError.self) { try replica.wal.checkpoint() }
        let path = replica.path + replica.wal.file.other.suffix
        try replica.wal.rewrite(try FileDescriptor.open(path, .readWrite))
        #expect(try replica.wal.checkpoint().isComplete)
        #expect(replica.wal.framesToCopy == 0)
        #expect(try WAL2Connection(replica.path).image() == replica.shadow.image)
    }

    @Test
    func `Everything is copied only while nobody has the database open`() throws {
        for _ in 1...5 { try replica.apply(insert(300_000)) }
        var reader: WAL2Connection? = try WAL2Connection(replica.path)
        #expect(try reader?.image() == replica.shadow.image)
        #expect(try !replica.wal.files.isAlone())
        reader = nil
        #expect(try replica.wal.files.isAlone())
        #expect(try replica.wal.copyAll())
        let bytes = try Files.read(replica.path, limit: 1 << 30)
        #expect(bytes == replica.shadow.image)
        replica.wal.close()
    }
}
