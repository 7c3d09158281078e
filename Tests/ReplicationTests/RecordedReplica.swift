import LTX
import POSIX
import Replication
import Synchronization

@testable import Store

/// A replica that keeps what it gets in memory.
final class RecordedReplica: StreamTarget {
    let nodeID: UInt64
    private let joined: Mutex<ClusterID?>
    private let databases = Mutex<[DatabaseName: ReplicaDatabase]>([:])
    /// Databases that refuse everything.
    let refusing = Mutex<Set<String>>([])

    init(nodeID: UInt64 = 0xCD, clusterID: String? = nil) {
        self.nodeID = nodeID
        joined = Mutex(clusterID.flatMap { ClusterID($0) })
    }

    var clusterID: ClusterID? { joined.withLock { $0 } }

    func join(_ clusterID: ClusterID) { joined.withLock { $0 = clusterID } }

    var receivingDatabases: [any ReceivingDatabase] { databases.withLock { Array($0.values) } }

    func receivingDatabase(_ name: DatabaseName) -> any ReceivingDatabase { database(name) }

    func database(_ name: DatabaseName) -> ReplicaDatabase {
        databases.withLock { databases in
            if let database = databases[name] { return database }
            let database = ReplicaDatabase(name, owner: self)
            databases[name] = database
            return database
        }
    }

    func refuses(_ name: DatabaseName) -> Bool { refusing.withLock { $0.contains(name.text) } }
}

/// A database of such a replica.
///
/// It applies at once, unless it is told to wait.
final class ReplicaDatabase: ReceivingDatabase {
    struct State {
        var received = Position.zero
        var applied = Position.zero
        var isApplying = true
        var needsResync = false
        var files: [[UInt8]] = []
        var resyncs: [String] = []
    }

    let name: DatabaseName
    let state = Mutex(State())
    private unowned let owner: RecordedReplica

    func comparableContent() -> ComparableContent? { nil }

    func receiver(ofDifferenceFrom checksum: Checksum) -> any TransactionReceiver { receiver() }

    init(_ name: DatabaseName, owner: RecordedReplica) {
        self.name = name
        self.owner = owner
    }

    var positionForStream: Position? {
        state.withLock { $0.needsResync || $0.received == .zero ? nil : $0.received }
    }

    var appliedPosition: Position { state.withLock { $0.applied } }

    var resyncs: [String] { state.withLock { $0.resyncs } }

    func recentPositions(_ count: Int) -> [Position] { [] }
    func noteCommon(_ position: Position?) {}
    func requestResync(reason: String) {
        state.withLock {
            $0.needsResync = true
            $0.resyncs.append(reason)
        }
    }

    func receiver() -> any TransactionReceiver { Receiver(self, isRefusing: owner.refuses(name)) }

    private final class Receiver: TransactionReceiver {
        private let database: ReplicaDatabase
        private let isRefusing: Bool
        private let decoder = LTXDecoder()
        private var header: LTXHeader?
        private var trailer: LTXTrailer?
        private var bytes: [UInt8] = []

        init(_ database: ReplicaDatabase, isRefusing: Bool) {
            self.database = database
            self.isRefusing = isRefusing
            decoder.begin()
        }

        func write(_ part: UnsafeRawBufferPointer) throws {
            if isRefusing { throw StoreError.rejected(database: database.name.text, reason: "refused") }
            bytes.append(contentsOf: part)
            try decoder.feed(part) { event in
                switch event {
                case .header(let header): self.header = header
                case .page: break
                case .trailer(let trailer): self.trailer = trailer
                }
            }
        }

        func finish() throws {
            try decoder.finish()
            guard let header, let trailer else { return }
            let position = Position(txid: header.maxTXID, postApply: trailer.postApply)
            database.state.withLock { state in
                state.files.append(bytes)
                state.received = position
                if header.isSnapshot { state.needsResync = false }
                if state.isApplying { state.applied = position }
            }
        }
    }
}
