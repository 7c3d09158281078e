import LTX
import Logging
import Metrics
import POSIX
import Replication
import SQLiteFormat
import Synchronization

@testable import HTTPAPI
@testable import Store

/// A node with one database of three pages.
final class TestNode: NodeView {
    struct Facts {
        var isMounted = true
        var lag = Lag.none
        var connectionError: String?
        var leaseProblem: String?
    }

    private let facts = Mutex(Facts())
    let source = TestSource()
    let database = TestDatabase()

    init() {
        source.database.withLock { $0 = database }
    }

    func set(_ change: (inout Facts) -> Void) { facts.withLock { change(&$0) } }

    let isCandidate = true
    let mountPath = "/litefs"
    let primaryHostname: String? = "pod-0"
    var isMounted: Bool { facts.withLock { $0.isMounted } }
    var connectionError: String? { facts.withLock { $0.connectionError } }
    var isPrimary: Bool { source.isPrimary && facts.withLock { $0.leaseProblem == nil } }
    var leaseProblem: String? { facts.withLock { $0.leaseProblem } }
    var lag: Lag { facts.withLock { $0.lag } }
    func lag(of name: DatabaseName) -> Lag { lag }

    func api() -> HTTPAPI {
        let registry = MetricsRegistry()
        let name = database.name
        let summary = Database.Summary(
            position: Position(txid: TXID(7), postApply: Checksum(rawValue: Checksum.flag | 5)),
            pageCount: 3,
            pageSize: 512,
            journalMode: "wal",
            timestamp: 1234,
            isShown: true,
            fault: "out of order",
            walBytes: 99
        )
        return HTTPAPI(
            source: source,
            databases: { [DatabaseFacts(name: name, summary: summary)] },
            streams: StreamServer(source: source, logger: .silent, registry: registry),
            events: EventHub(isPrimary: true, logger: .silent),
            node: self,
            registry: registry,
            logger: .silent,
            options: HTTPAPI.Options()
        )
    }
}

/// The databases of that node.
final class TestSource: StreamSource {
    let nodeID: UInt64 = 0xAB
    let cluster = Mutex(ClusterID("LFSC08D6DC74AF1616E1"))
    let primary = Mutex(false)
    let database = Mutex<TestDatabase?>(nil)

    var clusterID: ClusterID? { cluster.withLock { $0 } }
    var isPrimary: Bool { primary.withLock { $0 } }
    var streamableDatabases: [any StreamableDatabase] { database.withLock { $0 }.map { [$0] } ?? [] }

    func streamableDatabase(_ name: DatabaseName) -> (any StreamableDatabase)? {
        streamableDatabases.first { $0.name == name }
    }
}

/// Three pages, each filled with its number.
final class TestDatabase: StreamableDatabase {
    let name: DatabaseName
    let log: TransactionLog
    let failure = Mutex<StoreError?>(nil)
    let isBroken = Mutex(false)
    let isEmpty = Mutex(false)

    init() {
        do {
            name = try DatabaseName("a.db")
            let folder = "/tmp/httpapi-\(UInt64.random(in: 0 ... .max))"
            log = try TransactionLog(directory: folder)
            try Files.removeTree(folder)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    var storedPosition: Position {
        isEmpty.withLock { $0 } ? .zero : Position(txid: TXID(1), postApply: .zero)
    }
    var capturedPosition: Position { .zero }

    func consistentRead(deadline: MonotonicTime) throws -> any ConsistentRead {
        if let failure = failure.withLock({ $0 }) { throw failure }
        return Read(isBroken: isBroken.withLock { $0 })
    }

    private final class Read: ConsistentRead {
        let position = Position.zero
        let timestamp: Int64 = 0
        let pageSize: PageSize
        let pageCount: UInt32 = 3
        var checksums: [UInt64] { [0, 0, 0] }
        private let isBroken: Bool

        init(isBroken: Bool) {
            guard let size = PageSize(512) else { preconditionFailure("512 is a page size") }
            pageSize = size
            self.isBroken = isBroken
        }

        func read(from first: PageNumber, into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
            if isBroken { throw StoreError.closing }
            guard first.rawValue <= pageCount else { return 0 }
            UnsafeMutableRawBufferPointer(rebasing: buffer[..<512])
                .initializeMemory(as: UInt8.self, repeating: UInt8(first.rawValue))
            return 1
        }

        func end() {}
    }
}
