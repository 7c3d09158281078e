import LTX
import POSIX
import Replication
import SQLiteFormat
import Synchronization

@testable import Store

/// A database of a primary whose transactions are those that LiteFS recorded.
final class RecordedDatabase: StreamableDatabase {
    struct State {
        var pages: [UInt32: [UInt8]] = [:]
        var pageSize: PageSize
        var pageCount: UInt32 = 0
        var position = Position.zero
        var timestamp: Int64 = 0
        /// What a snapshot throws instead.
        var failure: String?
        var snapshots = 0
        var snapshotsEnded = 0
        /// Where a snapshot is ahead of the log.
        var stored: Position?
        /// Whether snapshots give wrong bytes.
        var isLying = false
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let name: DatabaseName
    let log: TransactionLog
    let state: Mutex<State>
    private let folder: TemporaryFolder
    private let recorded: String

    /// A database with the first `count` transactions; `stored` of them, from the newest back, are files in its log.
    init(
        _ recorded: String,
        name: String? = nil,
        transactions count: UInt64,
        storedFrom first: UInt64 = 1
    ) throws {
        self.recorded = recorded
        self.name = try DatabaseName(name ?? recorded)
        folder = try TemporaryFolder()
        guard let pageSize = PageSize(4096) else { throw Failure(description: "page size") }
        state = Mutex(State(pageSize: pageSize))
        for txid in stride(from: first, through: count, by: 1) {
            try folder.write("\(Self.fileName(txid))", Self.file(recorded, txid))
        }
        log = try TransactionLog(directory: folder.path)
        for txid in stride(from: UInt64(1), through: count, by: 1) { try apply(Self.file(recorded, txid)) }
    }

    static func fileName(_ first: UInt64, _ last: UInt64? = nil) -> LTXFileName {
        guard let name = LTXFileName(minTXID: TXID(first), maxTXID: TXID(last ?? first)) else {
            preconditionFailure("a range of transactions")
        }
        return name
    }

    static func file(_ recorded: String, _ txid: UInt64) throws -> [UInt8] {
        try Fixture.contents(of: "ltx/\(recorded)/\(fileName(txid))")
    }

    func path(_ txid: UInt64) -> String { log.path(of: Self.fileName(txid)) }

    /// Commits the next recorded transaction, and keeps its file in memory if asked to.
    func commitNext(inMemory: Bool) throws {
        let txid = state.withLock { $0.position.txid.rawValue } + 1
        let bytes = try Self.file(recorded, txid)
        try folder.write("\(Self.fileName(txid))", bytes)
        let content = try FileReading(bytes)
        log.append(
            LTXFile(
                name: Self.fileName(txid),
                byteCount: bytes.count,
                preApply: content?.header.preApply,
                postApply: content?.trailer.postApply,
                storedMilliseconds: 0,
                content: inMemory ? SharedBytes(bytes) : nil
            ),
            synced: true
        )
        try apply(bytes)
    }

    /// Puts a file with several transactions in the place of the files with one each; it must be the first one's content.
    func merge(_ first: UInt64, _ last: UInt64) throws {
        guard let one = try FileReading(Self.file(recorded, first)),
            let other = try FileReading(Self.file(recorded, last))
        else { throw Failure(description: "no such file") }
        var header = other.header
        header.minTXID = one.header.minTXID
        header.preApply = one.header.preApply
        let encoder = LTXEncoder()
        try encoder.begin(header: header)
        for (number, page) in state.withLock({ $0.pages }).sorted(by: { $0.key < $1.key }) {
            try page.withUnsafeBytes { try encoder.append(page: PageNumber(number), data: $0) }
        }
        _ = try encoder.finish(postApply: other.trailer.postApply)
        for txid in first...last { try log.remove(Self.fileName(txid)) }
        try folder.write("\(Self.fileName(first, last))", Array(encoder.output))
        log.append(
            LTXFile(
                name: Self.fileName(first, last),
                byteCount: encoder.output.count,
                preApply: nil,
                postApply: nil,
                storedMilliseconds: 0,
                content: SharedBytes(Array(encoder.output))
            ),
            synced: true
        )
    }

    private func apply(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { buffer in
            try LTXDecoder()
                .decode(allOf: buffer) { event in
                    state.withLock { state in
                        switch event {
                        case .header(let header):
                            state.pageSize = header.pageSize
                            state.pageCount = header.commit
                            state.position.txid = header.maxTXID
                            state.timestamp = header.timestampMilliseconds
                        case .page(let number, let page): state.pages[number.rawValue] = Array(page)
                        case .trailer(let trailer): state.position.postApply = trailer.postApply
                        }
                        state.pages = state.pages.filter { $0.key <= state.pageCount }
                    }
                }
        }
    }

    var position: Position { state.withLock { $0.position } }

    var storedPosition: Position { state.withLock { $0.stored ?? $0.position } }
    var capturedPosition: Position { state.withLock { $0.position } }

    func consistentRead(deadline: MonotonicTime) throws -> any ConsistentRead {
        if let failure = state.withLock({ $0.failure }) { throw Failure(description: failure) }
        state.withLock { $0.snapshots += 1 }
        return RecordedRead(self, state.withLock { $0 })
    }

    /// The state as a read sees it.
    private final class RecordedRead: ConsistentRead {
        private let database: RecordedDatabase
        private let state: State

        init(_ database: RecordedDatabase, _ state: State) {
            self.database = database
            self.state = state
        }

        var position: Position { state.position }
        var timestamp: Int64 { state.timestamp }
        var pageSize: PageSize { state.pageSize }
        var pageCount: UInt32 { state.pageCount }
        var checksums: [UInt64] {
            (0..<pageCount)
                .map { index in
                    let page = PageNumber(index + 1)
                    guard let bytes = state.pages[page.rawValue], page != pageSize.lockPage else { return 0 }
                    return bytes.withUnsafeBytes { PageChecksum.compute(page, $0).rawValue }
                }
        }

        func read(from first: PageNumber, into buffer: UnsafeMutableRawBufferPointer) -> Int {
            var count = 0
            while buffer.count - count * pageSize.bytes >= pageSize.bytes,
                let page = state.pages[first.rawValue + UInt32(count)]
            {
                for (index, byte) in page.enumerated() { buffer[count * pageSize.bytes + index] = byte }
                if state.isLying, first.rawValue + UInt32(count) == 1 { buffer[100] ^= 1 }
                count += 1
            }
            return count
        }

        func end() { database.state.withLock { $0.snapshotsEnded += 1 } }
    }
}

/// A primary with recorded databases.
final class RecordedPrimary: StreamSource {
    let nodeID: UInt64 = 0xAB
    let clusterID = ClusterID("LFSC08D6DC74AF1616E1")
    let primary = Mutex(true)
    private let databases: Mutex<[RecordedDatabase]>

    init(_ databases: [RecordedDatabase]) {
        self.databases = Mutex(databases)
    }

    func add(_ database: RecordedDatabase) { databases.withLock { $0.append(database) } }

    var isPrimary: Bool { primary.withLock { $0 } }

    var streamableDatabases: [any StreamableDatabase] { databases.withLock { $0 } }

    func streamableDatabase(_ name: DatabaseName) -> (any StreamableDatabase)? {
        databases.withLock { $0.first { $0.name == name } }
    }
}
