import POSIX
import Synchronization
import WAL2

// A database in wal2 mode, whose replica is read as zero-cache's view-syncers read it: by groups of two connections, one of which always
// holds a snapshot.
extension Scenario {
    private static let groups = 50

    static func wal2Latency(_ cluster: Cluster, _ options: Options) throws -> [Measurement] {
        try cluster.startReplica()
        let path = cluster.primary.mount + "/wal2.db"
        let shadow = try WAL2Shadow(cluster.native + "/wal2.db")
        try FileDescriptor.open(path, [.readWrite, .create]).write(Files.read(shadow.path), at: 0)
        try cluster.awaitReplica("wal2.db")
        try WAL2Connection.setJournalMode(.wal2, of: path)
        let writer = try WAL2Connection(path)
        try shadow.commit("INSERT INTO t(v) VALUES(zeroblob(100000))", to: writer)
        let replica = cluster.replica.mount + "/wal2.db"
        try cluster.replica.wait(for: "wal2 mode") { Files.exists(replica + "-wal2") }
        try cluster.awaitReplica("wal2.db")

        let isDone = Atomic(false)
        let readers = try SnapshotReaders(replica, groups: groups)
        let holder = Thread("readers") {
            while !isDone.load(ordering: .relaxed) {
                readers.leapfrog()
                pause(.milliseconds(20))
            }
        }
        defer {
            isDone.store(true, ordering: .relaxed)
            holder.join()
            try? Files.unlink(shadow.path)
        }
        let count = options.scaled(1500)
        let watch = try WAL2Watch(replica, count: count)
        let observer = Thread("reader") { watch.run() }
        var committed: [MonotonicTime] = []
        for number in 0..<count {
            try shadow.commit("INSERT INTO t(v) VALUES('\(hundredBytes)')", to: writer)
            committed.append(.now)
            if number % 200 == 0 { try writer.checkpoint() }
            pause(.microseconds(1000 + number * 37 % 1000))
        }
        observer.join()
        var samples = Samples()
        for (commit, visible) in zip(committed, watch.seen) {
            samples.append(Double((visible - commit) / .microseconds(1)) / 1000)
        }
        let title = "wal2: COMMIT to visible on the replica, beside \(groups) readers that hold a snapshot"
        return [
            Measurement(
                "wal2-latency-p50",
                title + ", p50",
                value: samples.percentile(0.5),
                .milliseconds,
                target: .below(1)
            ),
            Measurement(
                "wal2-latency-p99",
                title + ", p99",
                value: samples.percentile(0.99),
                .milliseconds,
                target: nil
            ),
        ]
    }
}

/// Groups of two connections: while one holds a snapshot, the other takes a newer one.
private final class SnapshotReaders: @unchecked Sendable {
    // SAFETY: used by the thread that made it until its own thread starts, then by that.
    private let pairs: [(WAL2Connection, WAL2Connection)]
    private var isFirst = true

    init(_ path: String, groups: Int) throws {
        pairs = try (0..<groups).map { _ in (try WAL2Connection(path), try WAL2Connection(path)) }
        for pair in pairs { try pair.0.beginRead() }
    }

    func leapfrog() {
        for pair in pairs {
            let (old, new) = isFirst ? pair : (pair.1, pair.0)
            guard (try? new.beginRead()) != nil else { continue }
            _ = try? new.page(1)
            old.endRead()
        }
        isFirst.toggle()
    }
}

/// A reader that notes when it sees each commit for the first time, by the change counter in page 1.
private final class WAL2Watch: @unchecked Sendable {
    // SAFETY: `seen` is read after the thread was joined.
    private let connection: WAL2Connection
    private let first: UInt32
    private let count: Int
    private(set) var seen: [MonotonicTime] = []

    init(_ path: String, count: Int) throws {
        connection = try WAL2Connection(path)
        first = try Self.counter(connection) + 1
        self.count = count
    }

    private static func counter(_ connection: WAL2Connection) throws -> UInt32 {
        try connection.beginRead()
        defer { connection.endRead() }
        return try connection.page(1)[24..<28].reduce(0) { $0 << 8 | UInt32($1) }
    }

    func run() {
        let deadline = MonotonicTime.now + .seconds(60)
        while seen.count < count, MonotonicTime.now < deadline {
            guard let counter = try? Self.counter(connection) else { continue }
            let now = MonotonicTime.now
            while seen.count < count, first + UInt32(seen.count) <= counter { seen.append(now) }
        }
    }
}
